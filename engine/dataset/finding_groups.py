"""Findings for people: each kind once, with its count and the first files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.dataset.index import Finding, Severity

_SHOWN_FILES = 3


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """The findings of one kind and severity, at least one."""

    findings: tuple[Finding, ...]

    @property
    def severity(self) -> Severity:
        """Of all of them."""
        return self.findings[0].severity

    @property
    def code(self) -> str:
        """Of all of them."""
        return self.findings[0].message.code

    @property
    def first(self) -> Finding:
        """The one whose sentence is shown."""
        return self.findings[0]

    @property
    def more(self) -> int:
        """How many there are besides the first."""
        return len(self.findings) - 1

    @property
    def more_files(self) -> tuple[str, ...]:
        """The names of the first other files; empty where the findings are about the data set as a whole."""
        others = dict.fromkeys(finding.file for finding in self.findings[1:] if finding.file != self.first.file)
        return tuple(others)[:_SHOWN_FILES]


def group_findings(findings: Iterable[Finding]) -> list[FindingGroup]:
    """The findings by kind, errors first, otherwise in the order in which the kinds appear."""
    groups: dict[tuple[Severity, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.message.code), []).append(finding)
    order: tuple[Severity, ...] = ("error", "warning", "info")
    return [
        FindingGroup(tuple(group)) for severity in order for (found, _), group in groups.items() if found == severity
    ]
