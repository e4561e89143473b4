"""The matrix section: its language, what is refused and what is pointed out, the order of its sets, hostile texts."""

import time
from collections.abc import Mapping
from typing import Any

import pytest

from llamaswap.config.matrix.compile import Finding, compile_matrix
from llamaswap.config.matrix.language import AllOf, AnyOf, Expression, MatrixSyntaxError, Name, SetRef, Token, parse
from llamaswap.config.matrix.sets import Matrix
from llamaswap.config.names import ModelId

A, B, C = (Name(ModelId(name)) for name in "abc")


def leaf(token: Token) -> Name | SetRef:
    return SetRef(token.text) if token.kind == "set" else Name(ModelId(token.text))


def compiled(
    sets: Mapping[str, str],
    models: str = "a b c",
    variables: Mapping[str, str] | None = None,
    costs: Mapping[str, int] | None = None,
) -> tuple[Matrix, list[Finding]]:
    found: list[Finding] = []
    everyone = [ModelId(name) for name in models.split()]
    return compile_matrix(variables or {}, costs or {}, sets, everyone, found.append), found


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a", A),
        ("  a\t", A),
        ("(((a)))", A),
        ("a|b|c", AnyOf((A, B, C))),
        ("a&b&c", AllOf((A, B, C))),
        ("a | b & c", AnyOf((A, AllOf((B, C))))),
        ("a & b | c", AnyOf((AllOf((A, B)), C))),
        ("(a | b) & c", AllOf((AnyOf((A, B)), C))),
        ("a | (b | c)", AnyOf((A, AnyOf((B, C))))),
        ("+a & b", AllOf((SetRef("a"), B))),
        ("a\n  & b", AllOf((A, B))),
        ("a\u00a0&\u2003b\u3000\x85", AllOf((A, B))),
        ("-._1", Name(ModelId("-._1"))),
        ("Qwen2.5-7b_q4", Name(ModelId("Qwen2.5-7b_q4"))),
        ("größe & 模型", AllOf((Name(ModelId("größe")), Name(ModelId("模型"))))),
        ("+модель", SetRef("модель")),
        ("m٣", Name(ModelId("m٣"))),  # an Arabic digit
        ("+-", SetRef("-")),
    ],
)
def test_accepted(text: str, tree: Expression) -> None:
    found = parse(text, leaf)
    assert found == tree
    assert hash(found) == hash(tree)


@pytest.mark.parametrize(
    ("text", "what", "column"),
    [
        ("", "a model or a set is missing before the end", 1),
        ("   ", "a model or a set is missing before the end", 4),
        ("()", "the parentheses are empty", 1),
        ("a & ( )", "the parentheses are empty", 5),
        ("a &", "a model or a set is missing before the end", 4),
        ("| a", "a model or a set is missing before |", 1),
        ("a & | b", "a model or a set is missing before |", 5),
        ("a && b", "a model or a set is missing before &", 4),
        ("(a & b", "this ( is not closed", 1),
        ("a & (b | (c)", "this ( is not closed", 5),
        ("a)", "this ) closes nothing", 2),
        (")", "a model or a set is missing before )", 1),
        ("(a &)", "a model or a set is missing before )", 5),
        ("a b", "b follows without an operator", 3),
        ("(a b)", "b follows without an operator", 4),
        ("a (b)", "( follows without an operator", 3),
        ("a+b", "+b follows without an operator", 2),
        ("+ a", "+ is not followed by the name of a set", 1),
        ("a & +", "+ is not followed by the name of a set", 5),
        ("++a", "+ is not followed by the name of a set", 1),
        ("+(a)", "+ is not followed by the name of a set", 1),
        ("a/b", "'/' cannot be part of an expression", 2),
        ("a:7b", "':' cannot be part of an expression", 2),
        ("a & !b", "'!' cannot be part of an expression", 5),
        ('"a"', "'\"' cannot be part of an expression", 1),
        ("a, b", "',' cannot be part of an expression", 2),
        ("a\x1cb", "'\\x1c' cannot be part of an expression", 2),
        ("m²", "'²' (U+00B2) cannot be part of an expression", 2),
        ("+m²", "'²' (U+00B2) cannot be part of an expression", 3),
        ("Ⅷ", "'Ⅷ' (U+2167) cannot be part of an expression", 1),
        ("🦙", "'🦙' (U+1F999) cannot be part of an expression", 1),
        ("e\u0301", "'\u0301' (U+0301) cannot be part of an expression", 2),
        ("a\u200bb", "'\\u200b' (U+200B) cannot be part of an expression", 2),
    ],
)
def test_refused(text: str, what: str, column: int) -> None:
    with pytest.raises(MatrixSyntaxError) as caught:
        parse(text, leaf)
    assert (str(caught.value), caught.value.column) == (what, column)


@pytest.mark.parametrize(
    ("sets", "options", "path", "what", "remedy"),
    [
        pytest.param({}, {}, ("sets",), "there is no set", "name the models", id="no sets"),
        pytest.param({"s": "qwne"}, {"models": "qwen"}, ("sets", "s"), "column 1: there is no model or var 'qwne'",
                     "did you mean qwen?", id="unknown model"),
        pytest.param({"s": "a & zzz"}, {}, ("sets", "s"), "column 5: there is no model or var 'zzz'",
                     "not an alias", id="an alias or anything else"),
        pytest.param({"duo": "a", "s": "a & duo"}, {}, ("sets", "s"), "column 5: there is no model or var 'duo'",
                     "+duo is the set", id="a set without its plus"),
        pytest.param({"small": "a", "s": "+smal"}, {}, ("sets", "s"), "column 1: there is no set 'smal'",
                     "did you mean small?", id="unknown set"),
        pytest.param({"s": "b | +a"}, {}, ("sets", "s"), "column 5: there is no set 'a'", "a model without it",
                     id="a model with a plus"),
        pytest.param({"s": "+s"}, {}, ("sets", "s"), "the set refers to itself: s -> s", "remove +s",
                     id="a set itself"),
        pytest.param({"s": "a | +t", "t": "+s"}, {}, ("sets", "s"), "the set refers to itself: s -> t -> s",
                     "remove +t here", id="a circle"),
        pytest.param({"u": "+s", "s": "a | +t", "t": "b & +s"}, {}, ("sets", "s"),
                     "the set refers to itself: s -> t -> s", "remove +t here", id="a circle further on"),
        pytest.param({"s": "b/c"}, {"models": "b/c b"}, ("sets", "s"),
                     "column 2: '/' cannot be part of an expression", "matrix.vars", id="slash"),
        pytest.param({"s": ""}, {}, ("sets", "s"), "column 1: a model or a set is missing before the end", "write its",
                     id="empty text"),
        pytest.param({"s": "a"}, {"variables": {"x_1": "a"}}, ("vars", "x_1"), "'x_1' cannot be the name of a var",
                     "no underscore", id="underscore in a var"),
        pytest.param({"s": "a"}, {"variables": {"": "a"}}, ("vars", ""), "'' cannot be the name of a var", "1 to 32",
                     id="empty var"),
        pytest.param({"s": "a"}, {"variables": {"v" * 33: "a"}}, ("vars", "v" * 33),
                     f"'{'v' * 33}' cannot be the name of a var", "1 to 32", id="long var"),
        pytest.param({"s": "a"}, {"variables": {"ä": "a"}}, ("vars", "ä"), "'ä' cannot be the name of a var", "ASCII",
                     id="a var that is not ASCII"),
        pytest.param({"s": "v"}, {"variables": {"v": "al"}}, ("vars", "v"), "there is no model 'al'", "not an alias",
                     id="a var needs an ID"),
        pytest.param({"s": "a"}, {"variables": {"v": ""}}, ("vars", "v"), "there is no model ''", "ID",
                     id="a var without a value, not even used"),
        pytest.param({"s": "a"}, {"variables": {"v": "w", "w": "a"}}, ("vars", "v"), "there is no model 'w'", "ID",
                     id="a var of a var"),
        pytest.param({"s": "a"}, {"costs": {"a": 0}}, ("evict_costs", "a"), "the cost is 0", "from 1", id="no cost"),
        pytest.param({"s": "a"}, {"costs": {"a": -3}}, ("evict_costs", "a"), "the cost is -3", "from 1", id="below 0"),
        pytest.param({"s": "a"}, {"costs": {"z": 3}}, ("evict_costs", "z"), "there is no model or var 'z'", "ID",
                     id="a cost for nobody"),
    ],
)  # fmt: skip
def test_problems(sets: dict[str, str], options: dict[str, Any], path: tuple[str, ...], what: str, remedy: str) -> None:
    _, found = compiled(sets, **options)
    assert [(one.severity, one.path, one.what) for one in found] == [("error", path, what)]
    assert remedy in found[0].remedy


def test_everything_wrong_is_told_at_once() -> None:
    _, found = compiled(
        {"s": "x & (y | x)", "t": "+u & +w & )", "u": "a | +u", "ok": "a | v"},
        variables={"v": "nobody", "_": "a"},
        costs={"a": 0, "q": 1},
    )
    assert [(one.path, one.column) for one in found] == [
        (("vars", "v"), None),
        (("vars", "_"), None),
        (("sets", "s"), 1),
        (("sets", "s"), 6),
        (("sets", "t"), 6),
        (("sets", "t"), 11),
        (("sets", "u"), 5),
        (("evict_costs", "a"), None),
        (("evict_costs", "q"), None),
    ]


def test_a_var_gives_a_name_to_an_id_that_cannot_be_written() -> None:
    matrix, found = compiled({"s": "a & v"}, models="a b/c", variables={"v": "b/c"}, costs={"v": 5})
    assert not found
    assert matrix.sets[0].models == {"a", "b/c"}
    assert matrix.costs == {"b/c": 5}


def test_vars_win_over_ids() -> None:
    matrix, found = compiled({"s": "a"}, variables={"a": "b"}, costs={"a": 2})
    assert matrix.sets[0].models == {"b"}
    assert matrix.costs == {"b": 2}
    assert [(one.severity, one.path) for one in found] == [("warning", ("vars", "a"))]


@pytest.mark.parametrize("costs", [{"a": 3, "v": 7}, {"v": 7, "a": 3}])
def test_two_costs_for_one_model_are_the_larger(costs: dict[str, int]) -> None:
    matrix, found = compiled({"s": "a"}, variables={"v": "a"}, costs=costs)
    assert matrix.costs == {"a": 7}
    assert [(one.severity, one.path) for one in found] == [("warning", ("evict_costs", list(costs)[1]))]


def test_a_cost_for_a_model_in_no_set_is_fine() -> None:
    matrix, found = compiled({"s": "a"}, costs={"b": 4})
    assert (matrix.costs, found) == ({"b": 4}, [])


def test_sets_and_models_have_names_of_their_own() -> None:
    matrix, found = compiled({"a": "b", "b": "+a | a"})
    assert not found
    assert [(one.name, sorted(one.models)) for one in matrix.sets] == [("a", ["b"]), ("b", ["a", "b"])]


def test_any_key_names_a_set() -> None:
    """Also those that no expression can refer to."""
    matrix, found = compiled({"": "a", "my set": "b", "x/y": "c"})
    assert not found
    assert [one.name for one in matrix.sets] == ["", "my set", "x/y"]


def test_an_empty_model_id_has_a_name_by_a_var() -> None:
    found: list[Finding] = []
    matrix = compile_matrix({"v": ""}, {}, {"s": "v & a"}, [ModelId(""), ModelId("a")], found.append)
    assert not found
    assert matrix.sets[0].models == {"", "a"}


@pytest.mark.parametrize(
    ("sets", "order"),
    [
        pytest.param({"zed": "a", "set10": "b", "set9": "b"}, "zed set10 set9", id="as written"),
        pytest.param({"p": "+q & c", "q": "a"}, "q p", id="referred to, so earlier"),
        pytest.param({"p": "+r | +q", "q": "a", "r": "b"}, "r q p", id="in order of first reference"),
        pytest.param({"x": "a", "p": "+q", "q": "+r", "r": "+x", "y": "b"}, "x r q p y", id="depth first"),
        pytest.param({"p": "+q | +r", "q": "+r", "r": "a"}, "r q p", id="each once"),
    ],
)
def test_solver_order(sets: dict[str, str], order: str) -> None:
    matrix, found = compiled(sets)
    assert not found
    assert [one.name for one in matrix.sets] == order.split()


@pytest.mark.parametrize(
    ("models", "together"),
    [
        ("a c", True), ("b c", True), ("a b", False), ("a b c", False), ("a", True), ("d", True), ("a d", False),
        ("a a c", True), ("e", False), ("a nobody", False), ("", True),
    ],
)  # fmt: skip
def test_who_can_coexist(models: str, together: bool) -> None:
    matrix, _ = compiled({"duo": "(a | b) & c", "big": "d"}, models="a b c d e")
    assert matrix.coexist([ModelId(name) for name in models.split()]) is together


def test_where_no_set_is_nothing_coexists() -> None:
    assert not Matrix().coexist([ModelId("a"), ModelId("b")])


# Hostile texts. Five seconds of the processor are generous: the machine may be busy.


def quickly(sets: Mapping[str, str], models: str = "a b c") -> tuple[Matrix, list[Finding]]:
    begun = time.process_time()
    result = compiled(sets, models)
    assert time.process_time() - begun < 5
    return result


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("(" * 1_000_000, id="a megabyte of parentheses"),
        pytest.param("(" * 65 + "a" + ")" * 65, id="one level too many"),
        pytest.param("a&(" * 300_000, id="with operands"),
        pytest.param("a|" * 250_000, id="no end"),
        pytest.param("&" * 1_000_000, id="operators"),
        pytest.param("+" * 1_000_000, id="pluses"),
        pytest.param(" " * 1_000_000, id="blanks"),
        pytest.param("a " * 500_000, id="words"),
        pytest.param("x" * 1_000_000, id="one word"),
        pytest.param("é" * 1_000_000, id="one word that is not ASCII"),
        pytest.param("²" * 1_000_000, id="no letters"),
        pytest.param("|".join(f"x{n}" for n in range(100_000)), id="unknown models"),
        pytest.param("|".join(f"+x{n}" for n in range(100_000)), id="unknown sets"),
    ],
)
def test_a_hostile_text_is_refused_quickly(text: str) -> None:
    _, found = quickly({"s": text}, " ".join(f"model-{n}" for n in range(1_000)))
    assert found
    assert all(len(one.what) + len(one.remedy) < 300 for one in found)


def test_what_is_deep_but_not_too_deep_works_to_the_end() -> None:
    matrix, found = quickly({"s": "(a&(b|" * 32 + "c" + "))" * 32})
    assert not found
    assert matrix.coexist([ModelId("a"), ModelId("b")])


def test_any_number_of_parentheses_beside_each_other() -> None:
    _, found = quickly({"s": " | ".join(["((a))"] * 1_000)})
    assert not found


@pytest.mark.parametrize("operator", "|&")
def test_a_hundred_thousand_operands(operator: str) -> None:
    matrix, found = quickly({"s": operator.join("abc"[n % 3] for n in range(100_000))})
    assert not found
    begun = time.process_time()
    assert matrix.coexist([ModelId("a"), ModelId("b")]) is (operator == "&")
    assert time.process_time() - begun < 5


def test_a_deep_chain_of_references() -> None:
    sets = {f"s{n}": f"+s{n + 1} | a" for n in range(10_000)} | {"s10000": "b & c"}
    matrix, found = quickly(sets)
    assert not found
    assert matrix.sets[0].name == "s10000"
    assert matrix.coexist([ModelId("b"), ModelId("c")])
    assert not matrix.coexist([ModelId("a"), ModelId("b")])


def test_a_long_circle() -> None:
    _, found = quickly({f"s{n}": f"+s{(n + 1) % 10_000}" for n in range(10_000)})
    assert len(found) == 1
    assert "s0 -> s1 -> s2 -> s3 -> s4 -> s5 -> ... -> s9998 -> s9999 -> s0" in found[0].what


def test_sets_that_double_with_each_reference() -> None:
    """The last stands for 2^60 times as much as the first."""
    sets = {"s0": "a | b"} | {f"s{n}": f"(+s{n - 1} | c) & (+s{n - 1} | a)" for n in range(1, 61)}
    matrix, found = quickly(sets)
    assert not found
    assert matrix.coexist([ModelId(name) for name in "abc"])
    assert hash(matrix.sets[-1].program)
