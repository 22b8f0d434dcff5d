"""The interactive page does what it says, with the numbers of the library."""

import json
import re

import equinox as eqx
import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import splitmodel as sm
from splitmodel.cli import main

SUMS = ("cost_usd_per_hour", "power_provisioned_w", "machines")
"""Outputs in the columns of the ranking."""


@pytest.fixture
def explorer(page):
    page.open("explorer.html")
    page.wait("document.getElementById('explorer-page').dataset.ready === 'yes'")
    yield page
    assert page.complaints() == []


def find(page, name: str):
    return page.browser.find_element(By.ID, f"explorer-{name}")


def click(page, selector: str, place: int = 0) -> None:
    """Click an element of the page, brought into sight without the site's smooth scrolling."""
    element = page.browser.find_elements(By.CSS_SELECTOR, selector)[place]
    page.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
    element.click()


def move(page, control: str, value: float) -> None:
    """Move a slider as a finger would."""
    script = "const [id, value] = arguments, input = document.getElementById(id);"
    page.run(
        script + "input.value = value; input.dispatchEvent(new Event('input'))", control, value
    )


def choose(page, name: str, value: str) -> None:
    """Choose an entry of a list."""
    page.browser.find_element(By.CSS_SELECTOR, f"[name={name}] [value={value}]").click()


def numbers(page, table: str) -> list[list[float]]:
    """Numbers of a table, row by row, with all their digits."""
    rows = f"return [...document.querySelectorAll('#explorer-{table} tr')]"
    cells = ".map((row) => [...row.querySelectorAll('[data-value]')].map((e) => +e.dataset.value))"
    return page.run(rows + cells)


def ranking(page) -> list[tuple[str, list[int]]]:
    """Designs and counts in the order shown."""
    rows = page.browser.find_elements(By.CSS_SELECTOR, "#explorer-ranking tr")
    texts = [[cell.text for cell in row.find_elements(By.XPATH, "*")] for row in rows]
    return [(design, [int(count) for count in counts.split("+")]) for design, counts, *_ in texts]


def test_all_that_the_page_loads_is_part_of_the_site(explorer):
    asked = explorer.requests()
    assert {"plotly.min.js", "table-conv.js"} <= {address.split("/")[-1] for address in asked}
    own = re.compile(f"{explorer.site}|data:|blob:")
    assert [address for address in asked if not own.match(address)] == []


@pytest.mark.parametrize("workload", ["conv", "code"])
def test_numbers_are_those_of_the_command_line(explorer, capsys, workload):
    choose(explorer, "workload", workload)
    explorer.wait(f"document.getElementById('explorer-command').textContent.includes('{workload}')")
    designs = [design for design, _ in ranking(explorer)]
    assert set(designs) == set(sm.DESIGN_NAMES)
    for place in range(len(designs)):
        click(explorer, "#explorer-ranking button", place)
        program, *command = find(explorer, "command").text.split()
        assert (program, main([*command, "--json"])) == ("splitmodel", 0)
        out = json.loads(capsys.readouterr().out)
        assert out["slo_met"] == 1
        shown = numbers(explorer, "ranking")[place]
        np.testing.assert_allclose(shown, [out[name] for name in SUMS], rtol=1e-6)
        for metric, row in zip(("ttft", "tbt", "e2e"), numbers(explorer, "latencies"), strict=True):
            kinds = [list(out[f"{metric}_{kind}"].values()) for kind in ("s", "slowdown")]
            np.testing.assert_allclose(row, np.transpose(kinds).ravel(), rtol=1e-3)


def test_the_best_follows_limits_rate_prices_and_power(explorer):
    find(explorer, "controls").find_element(By.ID, "rate").send_keys(Keys.ARROW_LEFT * 2)
    for metric, doublings in {"ttft": -0.5, "tbt": 0.5, "e2e": 1}.items():
        move(explorer, f"{metric}_slowdown", doublings)
    factors = {"DGX-A100": 0.5, "DGX-H100": 2**0.25}
    for machine, factor in factors.items():
        move(explorer, f"{machine}-price", np.log2(factor))
        move(explorer, f"{machine}-power", np.log2(factor))
    paper = sm.SLO.splitwise()
    limits = eqx.tree_at(
        lambda slo: (slo.ttft_slowdown, slo.tbt_slowdown, slo.e2e_slowdown),
        paper,
        (2**-0.5 * paper.ttft_slowdown, 2**0.5 * paper.tbt_slowdown, 2.0 * paper.e2e_slowdown),
    )
    load = sm.Workload.azure("conv", rate_rps=40.0)

    def evaluated(design: str, counts: list[int]):
        names = ["prompt", "token"] if len(counts) > 1 else ["machines"]
        cluster = sm.cluster_of(design, **dict(zip(names, counts, strict=True)))
        pools = [pool for pool in cluster.pools if pool.machines]
        sums = np.zeros(3)
        for pool in pools:
            factor = factors[str(pool.machine.label.value)]
            price, power_w = pool.machine.usd_per_hour, pool.machine.power_provisioned_w
            each = [factor * price, factor * power_w * pool.power_cap, 1.0]
            sums += np.multiply(pool.machines, each)
        met = sm.evaluate(cluster, load, model="bloom-176b", slo=limits)["slo_met"]
        return bool(met), sums

    shown = numbers(explorer, "ranking")
    assert shown == sorted(shown)
    for (design, counts), quantities in zip(ranking(explorer), shown, strict=True):
        met, expected = evaluated(design, counts)
        assert met, (design, counts)
        np.testing.assert_allclose(quantities, expected, rtol=1e-6)
        step = 2 if len(counts) > 1 else 1
        for pool in range(len(counts)):
            fewer = [count - step * (place == pool) for place, count in enumerate(counts)]
            assert not evaluated(design, fewer)[0], "a cluster with fewer machines would do"


def test_budgets_leave_clusters_out(explorer):
    choose(explorer, "goal", "powerW")
    before_w = [row[1] for row in numbers(explorer, "ranking")]
    assert before_w == sorted(before_w)
    budget_kw = 8 * np.ceil(np.median(before_w) / 8e3)
    move(explorer, "budget-power", budget_kw)
    assert [row[1] for row in numbers(explorer, "ranking")] == [
        each_w for each_w in before_w if each_w <= 1e3 * budget_kw
    ]
    move(explorer, "budget-cost", 40)
    assert numbers(explorer, "ranking") == []
    assert "No cluster" in find(explorer, "answer").text
    assert not find(explorer, "details").is_displayed()
    click(explorer, "[type=reset]")
    explorer.wait("document.querySelectorAll('#explorer-ranking tr').length === 6")
    assert find(explorer, "answer").text.startswith("Least cost")


def test_a_click_on_a_cell_shows_that_cluster(explorer):
    click(explorer, "#explorer-chart .nsewdrag")
    assert find(explorer, "answer").text.startswith("Chosen: AA, ")
    assert "--design AA" in find(explorer, "command").text


def test_the_figure_follows_the_theme(explorer):
    ink = "document.querySelector('#explorer-chart .ytitle').style.fill"
    seen = set()
    for theme in ("light", "dark"):
        explorer.run(f"document.body.dataset.theme = '{theme}'")
        explorer.wait(f"!{json.dumps(list(seen))}.includes({ink})")
        seen.add(explorer.run(f"return {ink}"))
    assert len(seen) == 2
