"""docs/monitoring.md names every field and metric, and Prometheus takes its examples."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from reconciliation.conf import require
from reconciliation.selectors.health import FIELDS, load_health
from reconciliation.selectors.metric_families import FAMILIES, MetricType
from tests.builders import FixedClock, make_account
from tests.web.tools import promtool

PAGE = (Path(settings.BASE_DIR) / "docs" / "monitoring.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"<!-- (\S+\.yml) -->\n```yaml\n(.*?)```\n", PAGE, re.DOTALL))
RULES, CONFIG = "recon-rules.yml", "prometheus.yml"


def rows(first: str) -> dict[str, list[str]]:
    """Return the cells of the table's rows whose first cell is a name in code, by that name."""
    _, _, table = PAGE.partition(f"\n| {first} |")
    lines = table.partition("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    return {row[0].strip("`"): row[1:] for row in cells if row and row[0].startswith("`")}


def test_every_metric_has_its_row_with_labels_and_type():
    table = rows("metric")
    assert list(table) == list(FAMILIES)
    for family in FAMILIES.values():
        labels, meaning, _ = table[family.name]
        assert labels == ", ".join(family.labels)
        assert meaning.startswith("counter: ") == (family.type == MetricType.COUNTER)


@pytest.mark.django_db
def test_every_field_of_health_has_its_row():
    make_account()
    said = load_health(conf=require({}), clock=FixedClock())
    (account,) = said["accounts"]
    tables = re.findall(r"\n\| field \|.*?\n\n", PAGE, re.DOTALL)
    named = [re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) for table in tables]
    assert named == [list(FIELDS), list(account)]


def test_prometheus_takes_the_example_of_a_scrape_with_its_rules(tmp_path: Path):
    token = tmp_path / "recon-token"
    token.write_text("a token")
    config = EXAMPLES[CONFIG].replace("/etc/prometheus/recon-token", str(token))
    assert str(token) in config
    (tmp_path / CONFIG).write_text(config)
    (tmp_path / RULES).write_text(EXAMPLES[RULES])
    done = promtool("check", "config", str(tmp_path / CONFIG))
    assert done.returncode == 0, done.stdout + done.stderr
    assert b"15 rules found" in done.stdout


def test_alerts_ask_for_metrics_that_exist():
    asked = set(re.findall(r"reconciliation_\w+", EXAMPLES[RULES]))
    assert asked <= FAMILIES.keys()
    assert len(asked) >= 11


def test_alerts_fire_when_they_should_and_not_before(tmp_path: Path):
    (tmp_path / RULES).write_text(EXAMPLES[RULES])
    (tmp_path / "cases.yml").write_text(CASES)
    done = promtool("test", "rules", str(tmp_path / "cases.yml"))
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


CASES = """
rule_files: [recon-rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: up{job="recon"}
        values: 1x10
      - series: reconciliation_loop_healthy
        values: 1x10
      - series: reconciliation_open_mismatches{profile="alpha",kind="MISSING_IN_DB"}
        values: 0 1x4 0x5
      - series: reconciliation_open_mismatches{profile="beta",kind="MISSING_IN_DB"}
        values: 0 1 1 0x7
      - series: reconciliation_lock_skipped_runs{account="main",kind="reconcile"}
        values: 0 1 0 1 2 0x5
      - series: reconciliation_audit_events_total
        values: 5+1x5 3x4
      - series: reconciliation_escalations_open{account="main",kind="LOOP_STALLED"}
        values: 0 1 1 0x7
    alert_rule_test:
      - {alertname: ReconciliationMismatchesStay, eval_time: 3m, exp_alerts: []}
      - alertname: ReconciliationMismatchesStay
        eval_time: 4m
        exp_alerts:
          - exp_labels: {severity: page, profile: alpha}
            exp_annotations: {summary: Mismatches of alpha are still open after two runs.}
      - {alertname: ReconciliationMismatchesStay, eval_time: 6m, exp_alerts: []}
      - {alertname: ReconciliationLockContention, eval_time: 3m, exp_alerts: []}
      - alertname: ReconciliationLockContention
        eval_time: 4m
        exp_alerts:
          - exp_labels: {severity: page, account: main, kind: reconcile}
            exp_annotations:
              summary: Two runs of main in a row found every lock held. See manage.py locks.
      - alertname: ReconciliationEscalated
        eval_time: 2m
        exp_alerts:
          - exp_labels: {severity: page, account: main, kind: LOOP_STALLED}
            exp_annotations: {summary: "LOOP_STALLED on main: see escalations in the console."}
      - {alertname: ReconciliationEscalated, eval_time: 4m, exp_alerts: []}
      - {alertname: ReconciliationNotSeen, eval_time: 9m, exp_alerts: []}
      - {alertname: ReconciliationLoopStalled, eval_time: 9m, exp_alerts: []}
      - {alertname: ReconciliationAuditEventsFell, eval_time: 5m, exp_alerts: []}
      - alertname: ReconciliationAuditEventsFell
        eval_time: 7m
        exp_alerts:
          - exp_labels: {severity: page}
            exp_annotations:
              summary: The audit chain has fewer events than before. Run manage.py audit_verify.
  - interval: 1m
    input_series:
      - series: up{job="recon"}
        values: 1x9
    alert_rule_test:
      - alertname: ReconciliationNotSeen
        eval_time: 5m
        exp_alerts:
          - exp_labels: {severity: page}
            exp_annotations: {summary: "The portal, or its database, does not answer."}
"""
