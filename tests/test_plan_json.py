"""plan.json: what is read is the Plan that was written, warnings included; files of older versions can be read."""

from __future__ import annotations

import json
from dataclasses import replace

from engine.messages import Message, phrase
from engine.plan import plan_from_json
from engine.runs.folder import load_plan
from tests.small_training import finished_workspace, only_run

WARNING = Message("plan.few_steps", "{steps} steps are few. {hint}", {"steps": 12, "hint": phrase("Train longer.")})


def test_a_plan_is_read_as_it_was_written_with_warnings_that_can_be_translated() -> None:
    plan = replace(load_plan(only_run(finished_workspace())), warnings=(WARNING,))
    stored = json.loads(json.dumps(plan.to_json()))
    assert stored["warnings"][0]["message"] == "12 steps are few. Train longer."
    assert plan_from_json(stored) == plan


def test_a_plan_that_holds_only_the_text_of_its_warnings_can_be_read() -> None:
    plan = replace(load_plan(only_run(finished_workspace())), warnings=(WARNING,))
    stored = json.loads(json.dumps(plan.to_json()))
    del stored["warnings"][0]["message_parts"]
    (warning,) = plan_from_json(stored).warnings
    assert (warning.code, str(warning)) == ("plan.few_steps", str(WARNING))
