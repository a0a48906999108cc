"""Operations on a root other than running batches, started by people or schedules."""
