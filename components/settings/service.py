"""`service`: what `ratchet up` starts, and when what is done."""

from __future__ import annotations

import re
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationInfo, field_validator

from components.places import scheme
from components.settings.section import RECORDED, Name, Section, Stripped, require_no_secret

Port = Annotated[int, Field(ge=1, le=65535)]
Cron = Stripped | None
CRON_FIELDS = 5


class ServiceSettings(Section):
    """Servers and schedules of `ratchet up`.

    `host`: the address that the servers listen at; only this machine reaches the default one.
    The others are cron lines (minute, hour, day, month, weekday) in `time_zone`; null: never.
    `train_at`: when what gathered is trained; null: as it arrives. `remind_at`: when people are
    told what waits for them. `notify`: blocks of Prefect that notices are sent to as well, each
    by type and name, as in `slack-webhook/ops`. `poll`: addresses whose objects are batches; the
    first folder below one names the task. `user_header`: the header in which a proxy before MLflow
    says who has logged in; null: people log in by password. `retain_days`: inputs of pools are
    removed so many days after they came, at `retain_at`; null: never.
    """

    host: Name = "127.0.0.1"
    mlflow_port: Port = 5000
    prefect_port: Port = 4200
    time_zone: Name = "UTC"
    train_at: Cron = None
    watch_at: Cron = "0 3 * * *"
    reconcile_at: Cron = "0 4 * * 0"
    remind_at: Cron = "0 8 * * 1-5"
    retain_at: Cron = "30 4 * * *"
    retain_days: Annotated[float, Field(gt=0.0, le=36_500.0)] | None = None
    notify: list[Stripped] = Field(default_factory=list)
    poll: list[Stripped] = Field(default_factory=list)
    user_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")] | None = None
    poll_seconds: Annotated[float, Field(ge=1.0, le=86_400.0)] = 30.0

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, OSError, KeyError):
            raise ValueError("should be a time zone such as UTC or Europe/Berlin") from None
        return value

    @field_validator("notify")
    @classmethod
    def _blocks(cls, value: list[str]) -> list[str]:
        if not all(re.fullmatch(r"[a-z0-9-]+/[A-Za-z0-9_-]+", each) for each in value):
            raise ValueError("should be names of blocks of Prefect, such as slack-webhook/ops")
        return value

    @field_validator("poll")
    @classmethod
    def _addresses(cls, value: list[str], info: ValidationInfo) -> list[str]:
        for each in value if info.context != RECORDED else ():
            if scheme(each) is None:
                raise ValueError(f"{each} should be an address, such as s3://bucket/folder")
            require_no_secret(each, "its package reads credentials from the environment or a file")
        return value

    @field_validator("train_at", "watch_at", "reconcile_at", "remind_at", "retain_at")
    @classmethod
    def _line(cls, value: str | None) -> str | None:
        if value is not None and len(value.split()) != CRON_FIELDS:
            raise ValueError("should be a cron line of five fields, such as '0 3 * * *', or null")
        return value
