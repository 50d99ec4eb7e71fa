"""stub"""

from engine.plan import Plan, StagePlan


def smaller_batch(plan: Plan, stage: StagePlan) -> int | None:
    """x"""
    return stage.batch_size // 2 if stage.batch_size >= 4 else None
