"""What search costs: an index of 5,000 tools, a question to it, memory, and the tokens that agents get from it.

Alone it joins its rows to build/search.json, which `make eval-search` writes too, and draws docs/search-tokens.svg.
"""

import json
import random
import statistics
import sys
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measure import as_text, least, resident_of, row, seconds, shown
from bench.plot import plot
from mcp_core.scan import ItemKind
from mcp_core.token_count import tokens
from mcp_sidecar.search.index import Index
from mcp_sidecar.search.items import search_item
from mcp_sidecar.search.models import installed_embedders

TOOLS, AGENTS = 5_000, 20
SIZES = (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
ANSWERED = 5
"""Items of one answer to a question."""
_WORDS = (
    "get list create update delete search send export archive share assign approve schedule compare convert",
    "invoice ticket customer branch commit calendar weather price order parcel contract report photo song map",
)
_VERBS, _THINGS = (words.split() for words in _WORDS)
_SAID = (
    "Return the {thing} that belongs to an account with all its fields, or the reason why there is none. Results are "
    "paged and sorted by the time of their last change; pass the cursor of the page before to go on."
)


def tools(count):
    """Return tools of the size that those of public servers have (some 140 tokens), no two alike."""
    chance = random.Random(19)
    return [one_tool(chance, number) for number in range(count)]


def one_tool(chance, number):
    """Return one tool of a made-up server."""
    verb, thing, other = chance.choice(_VERBS), chance.choice(_THINGS), chance.choice(_THINGS)
    names = [f"{thing}_id", f"{other}_filter", "cursor", "limit"]
    properties = {
        name: {"type": "string", "description": f"The {name} of the {other} that is wanted."} for name in names
    }
    return {
        "name": f"{verb}_{thing}_of_{other}_{number}",
        "description": _SAID.format(thing=f"{other}'s {thing}"),
        "inputSchema": {"type": "object", "properties": properties, "required": names[:1]},
    }


def questions(count):
    """Return questions as people ask them."""
    chance = random.Random(20)
    shape = "Can you {} the {} of my last {}? I also want to {} every {} since Monday."
    return [
        shape.format(*(chance.choice(_VERBS if at in (0, 3) else _THINGS) for at in range(5))) for _ in range(count)
    ]


def searched(items):
    """Return what is searched of tools."""
    return [search_item(f"server{at % 50}", ItemKind.TOOL, one["name"], one) for at, one in enumerate(items)]


def waits(taken):
    """Return how long questions wait and take, sorted, where AGENTS agents ask twice a second and one core answers.

    It is worked out from the processor's seconds that each took: on a machine that is shared, a clock shows its others.
    """
    chance = random.Random(21)
    starts = [chance.random() / 2 for _ in range(AGENTS)]
    asked = sorted(starts[at % AGENTS] + (at // AGENTS) * 0.5 for at in range(len(taken)))
    free, found = 0.0, []
    for at, cost in zip(asked, taken, strict=True):
        free = max(free, at) + cost
        found.append(free - at)
    return sorted(found)


def speed(*, quick):
    """Yield rows on time and memory, with the quickest model there is."""
    embedder = next(iter(installed_embedders()), None)
    made = tools(500 if quick else TOOLS)
    items, asked = searched(made), questions(100 if quick else 400)
    before = resident_of(["self"])
    made_once = []
    took = seconds(lambda: made_once.append(Index.of(items, embedder)))
    index = made_once[0]
    view = index.view(lambda _key: True)
    model = embedder.name if embedder else "words alone"
    size = len(items)
    read = least(lambda: [json.loads(json.dumps(one)) for one in made])
    yield row(f"index of {size} tools, {model}: processor", took, "s", 30)
    yield shown("index, to json.dumps and loads of the same tools", took / read, "x")
    yield shown("memory of the index and one view", (resident_of(["self"]) - before) / 1e6, "MB")
    each = [seconds(lambda one=one: view.find(one, ANSWERED)) for one in asked]
    yield shown("find: processor, median", statistics.median(each) * 1e3, "ms")
    yield shown("find, to json.dumps and loads of all tools", statistics.mean(each) / read, "x")
    waited = waits(each)
    yield row(f"find with {AGENTS} agents on one core, 99 of 100", waited[int(len(waited) * 0.99)] * 1e3, "ms", 25)
    allowed = set(index.keys[::2])
    yield shown(
        "what one caller may see, worked out for the first time", least(lambda: fresh(index, allowed)) * 1e3, "ms"
    )
    yield shown("what one caller may see, known", least(lambda: index.view(allowed), 5) * 1e3, "ms")


def fresh(index, allowed):
    """Work out what a caller may see as if nobody had asked before."""
    index.forget()
    index.view(allowed)


def served(count):
    """Return the tokens of a full list, and those that an agent gets instead: three tools and one round of them."""
    made = tools(count)
    index = Index.of(searched(made))
    by_name = {one["name"]: one for one in made}
    found = [by_name[item.key[2]] for item in index.find(questions(1)[0], ANSWERED, lambda _key: True).items]
    short = [{"name": one["name"], "description": one["description"]} for one in found]
    return tokens(made), tokens(three_tools()) + tokens(short) + tokens(found[:1])


def three_tools():
    """Return tools of the size that find, describe and call have."""
    text = {
        "type": "string",
        "description": "What you want to do, in a sentence, or the name of a tool as find gave it.",
    }
    said = "Find the tools that do something, among those of the servers named here: " + ", ".join(
        f"server{number}" for number in range(20)
    )
    return [
        {
            "name": name,
            "description": said,
            "inputSchema": {"type": "object", "properties": {"query": text, "arguments": text}},
        }
        for name in ("find", "describe", "call")
    ]


def figures(*, quick):
    """Return rows on tokens, and the lines of the plot."""
    both = {count: served(count) for count in (SIZES[:6] if quick else SIZES)}
    full, instead = both[500]
    times = full / instead
    found = {"name": "tokens of a full list of 500 tools, to those with search", "value": round(times, 1), "unit": "x"}
    lines = {
        "full list": [(count, one[0]) for count, one in both.items()],
        "search, one round": [(count, one[1]) for count, one in both.items()],
    }
    return [
        found | {"bar": ">= 20", "holds": times >= 20},
        shown("tokens of a full list of 500 tools", full, ""),
    ], lines


def run(*, quick):
    """Measure, and return the rows."""
    return [*speed(quick=quick), *figures(quick=quick)[0]]


@click.command()
@click.option("--quick", is_flag=True, help="Short runs: the figures are rough, and bars are reported, not enforced.")
@click.option("--out", type=Path, default=Path("build/search.json"))
def main(quick, out):
    """Measure search, and draw the plot of tokens against tools."""
    tokens_rows, lines = figures(quick=quick)
    rows = [*speed(quick=quick), *tokens_rows]
    if not quick:
        Path("docs/search-tokens.svg").write_text(plot("What an agent's context holds", "tools", "tokens", lines))
    kept = json.loads(out.read_text()) if out.exists() else []
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps([*(one for one in kept if "@" in one["name"]), *rows], indent=1) + "\n")
    click.echo(as_text(rows))
    if not quick and any(one["holds"] is False for one in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
