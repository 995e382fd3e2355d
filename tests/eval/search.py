"""Measure what search finds: recall@5 and nDCG@10 by set, part by part. Writes build/search.json.

QUERIES is a file of lines of JSON (query, relevant: names of tools, pool, kind), or a folder with queries.jsonl. Beside
it stands query_tools.jsonl with the tools of the pools (pool, server, name, description, inputSchema). A set is a pool,
or two where its queries are of the kinds "single" and "multi". Queries of the pool mcpproxy_golden, or of GOLDEN (the
file retrieval_golden_v1.json of mcpproxy-go), are judged for themselves.
"""

import json
import math
import statistics
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mcp_core.scan import ItemKind
from mcp_sidecar.search.index import Index, prepare
from mcp_sidecar.search.items import search_item
from mcp_sidecar.search.models import installed_embedders
from mcp_sidecar.search.recipe import FIELDS, RECIPE, Recipe, Weighed

GOLDEN_POOL = "mcpproxy_golden"
BARS = {"sets": (0.76, 0.70), "golden": (0.92, None), "merged": (0.65, None)}
SPLIT_KINDS = {"single", "multi"}
_ALIKE = dict.fromkeys(FIELDS, Weighed(0.0)) | {"name": Weighed(1.0), "description": Weighed(1.0)}
_FLAT = Recipe(words=1, meaning=0, names=0, clauses=0, fields=_ALIKE)
PARTS = {
    "BM25, name and description": _FLAT,
    "+ fields with weights, parameters and server": replace(_FLAT, fields=FIELDS),
    "meaning alone": Recipe(words=0, meaning=1, names=0, clauses=0),
    "words and meaning": Recipe(meaning=RECIPE.meaning + RECIPE.names, names=0, clauses=0),
    "+ meaning of names": replace(RECIPE, clauses=0),
    "+ clauses (as shipped)": RECIPE,
}
"""Recipes from the plainest to the one that is shipped. What needs no model is measured once, without one."""


class Remembering:
    """A model that reads each text once: recipes ask the same questions of the same tools."""

    def __init__(self, model):
        self._model, self._known = model, {}
        self.name = model.name

    def embed(self, texts):
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        self._known |= dict(zip(new, self._model.embed(new), strict=True)) if new else {}
        return np.stack([self._known[text] for text in texts])


def lines(path):
    """Return the values of a file of lines of JSON."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def sets_of(queries):
    """Return set -> its queries."""
    found = defaultdict(list)
    for query in queries:
        kind = query.get("kind")
        found[f"{query['pool']}:{kind}" if kind in SPLIT_KINDS else query["pool"]].append(query)
    return dict(sorted(found.items()))


def golden_file(path):
    """Return the queries of mcpproxy-go's golden file: what it grades 1 or 2 is relevant."""
    return [
        {
            "query": query["query"],
            "pool": GOLDEN_POOL,
            "relevant": [label["tool_id"].split(":", 1)[1] for label in query["labels"] if label["relevance"] >= 1],
        }
        for query in json.loads(path.read_text(encoding="utf-8"))["queries"]
    ]


def item(row):
    """Return what is searched of a tool of a pool. Pools without servers have one, which has no name."""
    return search_item(row["server"], ItemKind.TOOL, row["name"], row)


def judged(names, relevant):
    """Return recall@5 and nDCG@10 of the names that were found. Two tools with one name count once."""
    found, wanted = list(dict.fromkeys(names))[:10], set(relevant)
    gain = sum(1 / math.log2(at + 2) for at, name in enumerate(found) if name in wanted)
    best = sum(1 / math.log2(at + 2) for at in range(min(10, len(wanted))))
    return len(wanted & set(found[:5])) / len(wanted), gain / best


def means(index, queries):
    """Return mean recall@5 and nDCG@10 of queries."""
    view = index.view(lambda _key: True)
    both = [judged([one.key[2] for one in view.find(query["query"], 20).items], query["relevant"]) for query in queries]
    return tuple(statistics.mean(column) for column in zip(*both, strict=True))


def pooled(rows, embedder):
    """Return pool -> its prepared items, and under None all of them."""
    ready = prepare([item(row) for row in rows], embedder)
    found = defaultdict(list)
    for row, one in zip(rows, ready, strict=True):
        found[row["pool"]].append(one)
    distinct = {}
    for one in ready:  # two pools may have a tool of one name and no server: in one inventory they stand side by side
        distinct.setdefault((one.item.key, one.item.description), one)
    return {**found, None: list(distinct.values())}


def measured(pools, sets, embedder, recipe):
    """Return name -> recall@5 and nDCG@10: of each set, their mean, golden, and all pools as one inventory."""
    indexes = {pool: Index(ready, embedder, recipe) for pool, ready in pools.items()}
    inner = {name: queries for name, queries in sets.items() if name != GOLDEN_POOL}
    found = {name: means(indexes[queries[0]["pool"]], queries) for name, queries in inner.items()}
    merged = [means(indexes[None], queries) for queries in inner.values()]
    each = list(found.values())
    if GOLDEN_POOL in sets:
        found["golden"] = means(indexes[GOLDEN_POOL], sets[GOLDEN_POOL])
    found["sets"] = tuple(map(statistics.mean, zip(*each, strict=True)))
    found["merged"] = tuple(map(statistics.mean, zip(*merged, strict=True)))
    return found


def rows_of(model, part, found, *, shipped):
    """Yield two rows for each set. Bars stand at what is shipped alone."""
    for name, values in found.items():
        bars = BARS.get(name, (None, None)) if shipped else (None, None)
        for measure, exact, bar in zip(("recall@5", "nDCG@10"), values, bars, strict=True):
            value = round(exact, 3)
            holds = None if bar is None else value >= bar
            text = "" if bar is None else f">= {bar}"
            yield {
                "name": f"{measure}: {name} | {model} | {part}",
                "value": value,
                "unit": "",
                "bar": text,
                "holds": holds,
            }


def run(queries, tools):
    """Return all rows, and print a table."""
    sets, rows = sets_of(queries), []
    found = list(installed_embedders())
    models = {"words": None, **{one.name: Remembering(one) for one in (*found[:1], *found[-1:])}}
    for model, embedder in models.items():
        pools = pooled(tools, embedder)
        for part, recipe in PARTS.items():
            last = part == list(PARTS)[-1]
            if (recipe.words == 0 and embedder is None) or (recipe.meaning == 0 and embedder is not None):
                continue
            if embedder is None and recipe.meaning and not last:
                continue
            found = measured(pools, sets, embedder, recipe)
            rows += rows_of(model, part, found, shipped=last and model == list(models)[-1])
            shown = "  ".join(f"{name} {value[0]:.3f}/{value[1]:.3f}" for name, value in found.items())
            click.echo(f"{model[:12]:<12} {part:<46} {shown}")
    return rows


@click.command()
@click.argument("path", metavar="QUERIES", type=click.Path(exists=True, path_type=Path))
@click.option("--golden", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="mcpproxy-go's queries.")
@click.option("--out", type=Path, default=Path("build/search.json"))
def main(path, golden, out):
    """Measure search on the queries of a file."""
    path = path / "queries.jsonl" if path.is_dir() else path
    queries = lines(path) + (golden_file(golden) if golden else [])
    rows = run(queries, lines(path.parent / "query_tools.jsonl"))
    out.parent.mkdir(exist_ok=True)
    kept = json.loads(out.read_text()) if out.exists() else []
    kept = [one for one in kept if not one["name"].startswith(("recall@", "nDCG@"))]
    out.write_text(json.dumps(rows + kept, indent=1) + "\n")
    for row in rows:
        if row["holds"] is not None:
            click.echo(
                f"{row['name']:<70} {row['value']:>6} {row['bar']:>8} {'holds' if row['holds'] else 'DOES NOT HOLD'}"
            )
    if any(row["holds"] is False for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
