"""Off the line: what people and schedules do with a root besides running batches."""
