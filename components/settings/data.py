"""`data`: the contract that every batch is held to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from components.exam_names import is_usable_task
from components.places import require_place
from components.settings.section import (
    RECORDED,
    Name,
    Positive,
    Section,
    Share,
    Stripped,
    TaskName,
    require_no_secret,
)


class DataSettings(Section):
    """The contract that every batch is held to.

    `labels`: the closed set of legal labels, or `open` (any non-empty label, new ones grow
    the head). `max_bad_share`: a batch with a larger share of broken rows is refused whole.
    `slice_columns`: further columns whose values are kept with each item, for the gate's slices;
    they are no part of an item's identity. `columns`: other columns of a file -> the column that
    each is read as, unless the file has that one as well. `tasks`: the closed set of legal tasks,
    or `open`.
    `settle_seconds`: a file in data/incoming is taken once nobody has written to it for so long.
    `max_line_bytes` bounds one line, and of a table one cell and one row; `max_file_megabytes`
    the file's bytes as they arrive and as decoded. `remote`: where second copies go,
    a folder or an address that DVC reaches.
    """

    text_column: Name = "text"
    label_column: Name = "label"
    task_column: Name = "task"
    slice_columns: list[Name] = Field(default_factory=list)
    columns: dict[Name, Name] = Field(default_factory=dict)
    labels: Literal["open"] | Annotated[list[Name], Field(min_length=2)] = "open"
    tasks: Literal["open"] | Annotated[list[TaskName], Field(min_length=1)] = "open"
    min_rows: Positive = 20
    max_rows: Positive = 1_000_000
    min_text_chars: Positive = 1
    max_text_chars: Positive = 10_000
    max_line_bytes: Positive = 1_000_000
    max_file_megabytes: Positive = 200
    max_bad_share: Share = 0.2
    min_labels: Positive = 2
    settle_seconds: Annotated[float, Field(ge=0.0, le=86_400.0)] = 3.0
    remote: Annotated[Stripped, Field(min_length=1)] = "data/remote"

    @field_validator("remote")
    @classmethod
    def _place(cls, value: str, info: ValidationInfo) -> str:
        if info.context != RECORDED:
            require_place(value)
            require_no_secret(value, "put it in .dvc/config.local")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> DataSettings:
        self._ordered("min_rows", "max_rows")
        self._ordered("min_text_chars", "max_text_chars")
        columns = [self.text_column, self.label_column, self.task_column]
        if len(set(columns)) < len(columns):
            raise ValueError(f"text, label and task can't share a column: {columns}")
        if len({*columns, *self.slice_columns}) < len(columns) + len(self.slice_columns):
            raise ValueError(
                f"slice_columns must not repeat a column or contain text, label or task: "
                f"{self.slice_columns}"
            )
        unread = sorted({*self.columns.values()} - {*columns, *self.slice_columns})
        if unread:
            raise ValueError(
                f"columns must lead to a column that is read "
                f"({', '.join([*columns, *self.slice_columns])}), not to {', '.join(unread)}"
            )
        if self.labels != "open":
            if len(set(self.labels)) < len(self.labels):
                raise ValueError(f"labels lists one twice: {self.labels}")
            if self.min_labels > len(self.labels):
                raise ValueError(
                    f"min_labels ({self.min_labels}) is above the number of labels "
                    f"({len(self.labels)})"
                )
        if self.tasks != "open":
            if len(set(self.tasks)) < len(self.tasks):
                raise ValueError(f"tasks lists one twice: {self.tasks}")
            if wrong := [name for name in self.tasks if not is_usable_task(name)]:
                raise ValueError(
                    f"tasks has invalid names: {wrong}; use printable names without `#`"
                )
        return self
