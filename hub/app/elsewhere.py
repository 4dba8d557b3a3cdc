"""What a machine answers of which another fills the role."""

from __future__ import annotations

from typing import Any

from hub.api.problem import Problem
from hub.bilingual import Text

DOING_ZH = {"rules": "规则判断", "store": "写入历史", "delivery": "投递"}


async def not_here(role: str) -> Any:
    raise Problem(
        409,
        Text(
            f"this machine does not do {role} now; ask the one that does (`cityhub health` names it)",
            f"本机目前不负责{DOING_ZH[role]}；请询问负责的机器（cityhub health 会列出）",
        ),
    )


def no_backup() -> None:
    raise Problem(
        409,
        Text(
            "the log lies on servers; back up its streams with the servers' own tools (docs/scale.md)",
            "日志存放在服务器上；请用服务器自带的工具备份其数据流（docs/scale.md）",
        ),
    )


def kept_elsewhere() -> None:
    """As `not_here`, for what people write."""
    raise Problem(
        409,
        Text(
            "notes are kept by the machine that does store; write them there (`cityhub health` names it)",
            "备注由负责写入历史的机器保存；请在该机器上填写（cityhub health 会列出）",
        ),
    )
