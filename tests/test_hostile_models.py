"""Crafted and damaged model files: each ends in predictions or in one line, without a traceback or a crash."""

import copy
import io
import json
import random
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from moonnet import KerasMoonClassifier, KerasMoonRegressor
from moonnet.command._model_file import save_model
from moonnet.tables._number_format import NumberFormat
from moonnet.tables._text_columns import Column
from moonnet.tables._text_pipeline import make_model

N = 40
FRAME = pd.DataFrame(
    {
        "a": np.where(np.arange(N) % 7, np.linspace(-1, 1, N), np.nan),
        "kind": [*["red"] * 20, *["blue"] * 17, "rare", "odd", None],
        "day": pd.date_range("2020-01-01", periods=N).astype(str),
        "many": [f"place {i % 35}" for i in range(N)],
        "price": [f"$ {i}.5" for i in range(N)],
    }
)
COLUMNS = [
    Column("a", "number", "", ""),
    Column("kind", "category", "", ""),
    Column("day", "date", "", "", "ISO8601"),
    Column("many", "category", "", "", has_many_values=True),
    Column("price", "number", "", "", number_format=NumberFormat(unit="$")),
]


def node(loader, module, name, **more):
    return {"__loader__": loader, "__module__": module, "__class__": name, **more}


def value(python_value):
    return node("JsonNode", "builtins", "str", content=json.dumps(python_value), is_json=True)


def values(loader, kind, *items):
    return node(loader, "builtins", kind, content=list(items))


def attributes(object_node):
    return object_node["content"]["content"]


def step(pipeline, index):
    return attributes(pipeline)["steps"]["content"][index]["content"][1]


def ensemble(schema):
    return attributes(step(schema, 1))


def network(schema):
    """Return the attributes of the ensemble's first network."""
    return attributes(ensemble(schema)["estimators_"]["content"][0])


def encoder(schema, index):
    """Return a fitted encoder: of the numbers, the categories or the dates."""
    return attributes(step(schema, 0))["transformers_"]["content"][index]["content"][1]


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def header(text, version=b"\x01\x00"):
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text.encode()


def array_of(index):
    """Return a function that replaces an array of the network by other bytes."""

    def found(schema):
        return network(schema)["_state"]["content"]["trainable"]["content"][index]

    return lambda content: lambda schema, members: members.update({found(schema)["file"]: content})


def setting(get, key, new):
    """Return a function that sets a key of a part of the schema, or deletes it if ``new`` is None."""

    def change(schema, members):
        part = get(schema)
        if new is None:
            del part[key]
        else:
            part[key] = new

    return change


coef, intercept = array_of(0), array_of(1)
EVIL = value("echo evil > /tmp/moonnet-evil")
TEXT = values("TupleNode", "tuple", EVIL)
NO_DICT = node("DictNode", "builtins", "dict", content={}, key_types=values("ListNode", "list"))
NODES = {  # by name: what stands in the place of the network's attribute random_state
    "function": node("FunctionNode", "os", "system"),
    "ufunc": node("FunctionNode", "numpy", "exp"),
    "type": node("TypeNode", "builtins", "eval"),
    "method": node("MethodNode", "builtins", "str", content={"func": "format", "obj": EVIL}),
    "operator": node("OperatorFuncNode", "operator", "methodcaller", attrs=TEXT),
    "partial": node(
        "PartialNode",
        "functools",
        "partial",
        content={"func": node("FunctionNode", "os", "system"), "args": TEXT, "kwds": NO_DICT, "namespace": NO_DICT},
    ),
    "constructor": node(
        "ConstructorFromReduceNode", "builtins", "bytearray", content=values("TupleNode", "tuple", value(10**12))
    ),
    "tree": node("TreeNode", "sklearn.tree._tree", "Tree", content=NO_DICT, __reduce__={"args": TEXT}),
    "generator": node(
        "RandomGeneratorNode",
        "numpy.random._generator",
        "Generator",
        content={"bit_generator": NO_DICT, "seed_seq": NO_DICT},
    ),
    "cached": node("CachedNode", "builtins", "str", __id__=1),
    "unknown": node("NoNode", "builtins", "str"),
    "estimator": node("ObjectNode", "sklearn.svm._classes", "SVC", content=NO_DICT),
    "dict": node("DictNode", "collections", "OrderedDict", content={}, key_types=values("ListNode", "list")),
    "nested": node("NdArrayNode", "numpy", "ndarray", type="json", content=[values("ListNode", "list")], shape=TEXT),
    "long": node("ObjectNode", "x" * 10**6, "y\n\x1b[31m", content=NO_DICT),
}
CHANGES = {  # by name: a function that changes the schema and the members
    **{f"node {name}": setting(network, "random_state", new) for name, new in NODES.items()},
    "method replaced": setting(network, "predict", value(3)),
    "network without weights": setting(network, "_state", None),
    "network without layers": setting(network, "_network", None),
    "other arrays": setting(lambda s: network(s)["_state"]["content"], "others", value("evil")),
    "layers": setting(lambda s: network(s)["_network"]["content"], "layer_sizes", value(10**9)),
    "layers are fractions": lambda s, members: [
        size.update(content=f"{size['content']}.0")
        for size in network(s)["_network"]["content"]["layer_sizes"]["content"]
    ],
    "network without settings": setting(network, "_trained_with", None),
    "unknown activation": setting(lambda s: network(s)["_network"]["content"], "activation", value("evil")),
    "activation is a list": setting(
        lambda s: network(s)["_network"]["content"], "activation", values("ListNode", "list")
    ),
    "one class": setting(network, "classes_", value(1)),
    "features": setting(network, "n_features_in_", value(10**9)),
    "no networks": setting(ensemble, "estimators_", values("ListNode", "list")),
    "networks are text": setting(ensemble, "estimators_", values("ListNode", "list", EVIL)),
    "no attribute of networks": setting(ensemble, "estimators_", None),
    "network is an encoder": lambda s, members: ensemble(s)["estimators_"]["content"].append(encoder(s, 1)),
    "classes of the ensemble": setting(ensemble, "classes_", value(["no", "yes", "maybe"])),
    "several labels": setting(ensemble, "_is_multilabel", value(True)),
    "features of the ensemble": setting(ensemble, "n_features_in_", value(3)),
    "a million threads": setting(ensemble, "n_jobs", value(10**6)),
    "ensemble is text": setting(lambda s: attributes(s)["steps"]["content"][1]["content"], 1, EVIL),
    "weights of another shape": coef(npy(np.zeros((3, 2)))),
    "weights are NaN": coef(npy(np.full((8, 5), np.nan))),
    "weights are integers": coef(npy(np.zeros((8, 5), int))),
    "weights are text": coef(npy(np.full((8, 5), "x"))),
    "weights are objects": coef(npy(np.array([{}, {}], dtype=object))),
    "weights are huge": coef(header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }\n")),
    "weights overflow": coef(header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**62}, {2**62}), }}\n")),
    "weights have no size": coef(header("{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000000,), }\n")),
    "header is nested": coef(header("(" * 9000)),
    "bias is longer": intercept(npy(np.zeros(9))),
    "other step names": setting(lambda s: attributes(s)["steps"]["content"][1]["content"], 0, value("evil")),
    "a million processes": setting(lambda s: attributes(step(s, 0)), "n_jobs", value(10**6)),
    "a cache": setting(attributes, "memory", value("/tmp/moonnet-evil")),
    "no encoders": setting(lambda s: attributes(step(s, 0)), "transformers_", values("ListNode", "list")),
    "no names": setting(lambda s: attributes(step(s, 0)), "feature_names_in_", None),
    "names are numbers": setting(
        lambda s: attributes(step(s, 0))["feature_names_in_"], "content", [value(1), value(2), value(3)]
    ),
    "median is missing": setting(lambda s: attributes(step(encoder(s, 0), 0)), "statistics_", None),
    "another scikit-learn": setting(lambda s: attributes(step(encoder(s, 0), 0)), "_sklearn_version", value("0.1\n")),
    "no categories": setting(lambda s: attributes(encoder(s, 1)), "categories_", values("ListNode", "list")),
    "fewer categories": lambda s, members: attributes(encoder(s, 1))["categories_"]["content"][0].update(
        content=[value("blue")], shape=values("TupleNode", "tuple", value(1))
    ),
    "date format is a number": setting(lambda s: attributes(step(encoder(s, 2), 0)), "format", value(7)),
    "date format is unknown": setting(lambda s: attributes(step(encoder(s, 2), 0)), "format", value("%Q%d%d(")),
    "protocol": lambda schema, members: schema.update(protocol="evil"),
    "no schema": lambda schema, members: schema.clear(),
    "a cycle": lambda schema, members: network(schema).update(
        random_state=values("ListNode", "list", node("CachedNode", "builtins", "list", __id__=schema["__id__"]))
    ),
    "the same array many times": lambda schema, members: (
        members.update(big=npy(np.zeros(3 * 10**5))),
        network(schema).update(
            random_state=values(
                "ListNode",
                "list",
                *[node("NdArrayNode", "numpy", "ndarray", type="numpy", file="big")] * 2000,
            )
        ),
    ),
}


def pack(schema, members, **options):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr("schema.json", schema if isinstance(schema, str) else json.dumps(schema), **options)
    return stream.getvalue()


def changed(packed, change):
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members.pop("schema.json"))
    change(schema, members)
    return pack(schema, members)


def change_at_random(schema, members, rng):
    """Give one node another content, type or neighbour, or exchange two arrays."""
    nodes, stack = [], [schema]
    while stack:
        part = stack.pop()
        if isinstance(part, dict) and "__loader__" in part:
            nodes.append(part)
        stack += part.values() if isinstance(part, dict) else part if isinstance(part, list) else []
    first, second = rng.sample(nodes, 2)
    match rng.randrange(5):
        case 0:
            copied = copy.deepcopy(second)
            first.clear()
            first.update(copied)
        case 1:
            del first[rng.choice(list(first))]
        case 2:
            first["content"] = rng.choice([None, [], {}, "", "1e999", "-1", "[[1]]", "9" * 5000, 7, True])
        case 3:
            one, other = rng.sample([name for name in members if name.endswith(".npy")], 2)
            members[one], members[other] = members[other], members[one]
        case 4:
            dicts = [part for part in nodes if part["__loader__"] == "DictNode" and part["content"]]
            content = rng.choice(dicts)["content"]
            del content[rng.choice(list(content))]


def crashing_pipeline(model):
    """Return a model of skops's trusted types that reads beyond its arrays: a support vector machine."""
    svc = SVC().fit(model[0].transform(FRAME), np.arange(N) % 2)
    svc._n_support = svc._n_support + np.array([2**30, -(2**30)], np.int32)  # the sum is checked
    return skops.io.dumps(Pipeline([("columns", model[0]), ("network", svc)]))


def damaged(packed, rng):
    """Yield archives that are damaged or lie about their sizes, by name."""
    yield "empty", b""
    yield "truncated", packed[: len(packed) // 2]
    yield "no schema", pack("", {})
    for text in ("null", "[]", "7", '{"__loader__": 3}', "[" * 10**5, '{"a":' * 10**5, "9" * 10**4):
        yield f"schema {text[:20]}", pack(text, {})
    yield "bomb", pack("{}", {"big": bytes(10**8)})
    lying = pack("{}", {"big": bytes(10**8)})
    yield "lying bomb", lying.replace((10**8).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    yield "bzip2", pack("{}", {}, compress_type=zipfile.ZIP_BZIP2)
    encrypted = bytearray(packed)
    encrypted[packed.rfind(b"PK\x01\x02") + 8] |= 1
    yield "encrypted", bytes(encrypted)
    for seed in range(6):
        flipped = bytearray(packed)
        for position in rng.sample(range(len(packed)), 20):
            flipped[position] ^= 1 << rng.randrange(8)
        yield f"flipped bits {seed}", bytes(flipped)


@pytest.fixture(scope="module")
def hostile_files(tmp_path_factory):
    """Return a folder with the files, and their names."""
    folder = tmp_path_factory.mktemp("hostile")
    rng = random.Random(0)
    model = make_model(COLUMNS, KerasMoonClassifier((5,), epochs=2, random_state=0)).fit(FRAME, np.arange(N) % 3 % 2)
    save_model(model, folder / "valid.skops")
    FRAME.to_csv(folder / "new.csv", index=False)
    packed = (folder / "valid.skops").read_bytes()
    files = {"support vector machine": crashing_pipeline(model)}
    files |= {name: changed(packed, change) for name, change in CHANGES.items()}
    files |= dict(damaged(packed, rng))
    regression = make_model(COLUMNS, KerasMoonRegressor((5,), epochs=2, random_state=0)).fit(
        FRAME, np.linspace(0, 1, N)
    )
    save_model(regression, folder / "regression.skops")
    for seed in range(40):
        original = (folder / "regression.skops").read_bytes() if seed % 2 else packed
        files[f"random {seed}"] = changed(original, lambda schema, members: change_at_random(schema, members, rng))
    for index, content in enumerate(files.values()):
        (folder / f"{index}.skops").write_bytes(content)
    return folder, list(files)


# One process for all files: a crash ends it, and the last verdict names the file before the one that crashed
CHILD = """
import contextlib, io, json, sys, time
from moonnet.command._cli import main
folder, n_files = sys.argv[1], int(sys.argv[2])
for name in ["valid", *range(n_files)]:
    out, err, status, started = io.StringIO(), io.StringIO(), None, time.process_time()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            arguments = ["--csv", f"{folder}/new.csv", "--model", f"{folder}/{name}.skops", "--out", f"{folder}/p.csv"]
            status = main(arguments)
        except SystemExit as error:
            status = error.code
        except BaseException as error:
            status = repr(error)
    print(json.dumps([status, err.getvalue(), time.process_time() - started]), flush=True)
"""


# The predictions of these models are wrong, which nobody can see in the file
HARMLESS = ["another scikit-learn", "fewer categories"]


@pytest.mark.slow
def test_hostile_files_end_in_a_result_or_one_line(hostile_files):
    folder, names = hostile_files
    assert len(names) > 100
    command = [sys.executable, "-X", "faulthandler", "-c", CHILD, str(folder), str(len(names))]
    child = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    verdicts = [json.loads(line) for line in child.stdout.splitlines()]
    assert child.returncode == 0, f"crashed at {['valid', *names][len(verdicts)]}: {child.stderr}"
    assert child.stderr == ""
    assert verdicts[0][:2] == [0, ""]
    for name, (status, error, seconds) in zip(names, verdicts[1:], strict=True):
        assert seconds < 10, name
        lines = error.splitlines()
        assert all(line.isprintable() and len(line) < 1000 for line in lines), (name, error)
        if status == 2:
            assert len(lines) == 1, (name, error)
            assert error.startswith("moonnet: error: "), (name, error)
            assert ".skops" in error, (name, error)
        else:
            assert status == 0, (name, status)
            assert all(line.startswith("moonnet: warning: ") for line in lines), (name, error)
            assert name.startswith("random") or name in HARMLESS, name
