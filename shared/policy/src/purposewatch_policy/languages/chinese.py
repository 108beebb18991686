"""Chinese, put into words on demand. Terms appear with their labels, since those are readable."""

# ruff: noqa: RUF001 - Chinese punctuation is intended

from collections.abc import Iterable, Mapping, Sequence

from purposewatch_policy.change import Action, EventChange, PolicyChange
from purposewatch_policy.decision import (
    FLOW_FIELDS,
    PROHIBITING,
    Dimension,
    FailedDimension,
    Kind,
)
from purposewatch_policy.failed import left_out
from purposewatch_policy.languages.catalogue import explanation_texts
from purposewatch_policy.languages.language import DecisionContext
from purposewatch_policy.languages.retention import retention_words, span_words
from purposewatch_policy.model import Statement
from purposewatch_policy.vocabulary import FIRST_PARTY, FlowTerms, Taxonomy, UnknownTerm, Vocabulary

_TEXTS = explanation_texts("zh")

_VERBS = {"collect": "收集", "use": "使用", "store": "存储", "share": "共享", "erase": "删除"}
_NOUNS = {
    "role": "角色",
    "operation": "操作",
    "purpose": "用途",
    "recipient": "接收方",
    "data_categories": "数据类别",
    "source": "来源",
    "location": "存储地点",
    "legal_basis": "法律依据",
    "facts": "事实",
}
"""What the fields of a flow are called."""

_LACKS = {
    Kind.UNDECLARED_ROLE: "没有任何声明允许处理该角色的数据",
    Kind.UNDECLARED_THIRD_PARTY_SHARING: "没有针对该角色的声明允许把该类数据提供给该接收方",
    Kind.UNDECLARED_CATEGORY: "没有针对该角色的声明涵盖该类数据",
    Kind.UNDECLARED_PURPOSE: "没有针对该角色、该类数据和该接收方的声明涵盖该用途",
}
_NOT_BY_ITSELF = "没有针对该角色的声明允许控制者自行处理该类数据"
_NOT_STATED = "（事件未说明）"
_NOT_FOR_THAT_PURPOSE = "没有针对该角色的声明允许为该用途把该类数据提供给该接收方"

_MORE_PRECISE = (Dimension.ROLE, Dimension.DATA_CATEGORY)
"""What a change never swaps for something else."""

_HOLDS: Mapping[bool | None, str] = {True: "成立", False: "不成立", None: "没有记载"}

_MAX_LISTED = 3


def sentence(context: DecisionContext) -> str:
    """Say what happened to a data category, and what the policy says about it."""
    flow = context.flow
    decided = context.decided
    vocabulary = context.vocabulary
    if vocabulary is None:
        return f"控制者 `{flow.controller}` 没有任何政策，因此无法判断。"
    if context.unknown:
        return _unknown_terms(flow.controller, context.unknown)
    happened = _event(flow, decided.data_category, vocabulary)
    if decided.kind is Kind.POLICY_NOT_IN_FORCE:
        moment = context.at.isoformat()
        return f"{happened}；在 {moment}，`{flow.controller}` 的政策没有任何版本生效。"
    if decided.kind is Kind.CONTRADICTED_CLAIM and context.statement is not None:
        return happened + _contradiction(context.statement, flow, vocabulary)
    if decided.kind is not None and decided.kind not in PROHIBITING:
        return happened + _omission(
            decided.kind, context.statement, decided.failed, flow, vocabulary
        )
    if context.statement is None:
        message = "a permission or prohibition has a statement"
        raise ValueError(message)
    return f"{happened}；{_effect(context, context.statement, vocabulary)}。"


def _effect(context: DecisionContext, statement: Statement, vocabulary: Vocabulary) -> str:
    """Say what the deciding statement does."""
    decided, permit = context.decided, context.permit
    if decided.kind is None:
        return f"{_cited(statement)}允许这样做"
    if decided.kind is Kind.PROHIBITED:
        excepted = left_out(statement, context.flow, decided.data_category, vocabulary)
        without = "".join(
            f"，但{_noun(dimension)}为{_some(terms, _taxonomy(vocabulary, dimension))}的除外"
            for dimension, terms in excepted.items()
        )
        although = f"，尽管{_cited(permit)}允许" if permit else ""
        return f"{_cited(statement)}禁止这样做{without}{although}"
    parts = "，".join(_part(each, statement, vocabulary) for each in decided.failed)
    rest = f"，其余部分由{_cited(permit)}允许" if permit else ""
    return f"{_cited(statement)}禁止其中一部分：{parts}{rest}。只有更具体的事件才可能获得允许"


def event_change(change: EventChange, vocabulary: Vocabulary) -> str:
    """Say what would have to be done or stated instead."""
    if isinstance(change.value, int):
        return _retention_change(change)
    value = _term(change.value, _taxonomy(vocabulary, change.dimension))
    if change.dimension is Dimension.FACTS:
        needed = f"须满足{value}" if change.holds else f"须不存在{value}的情形"
        return needed + _by_ledger(change.value, vocabulary)
    noun = _noun(change.dimension)
    if change.before is None:
        return f"写明{noun}为{value}（字段 `data.{FLOW_FIELDS[change.dimension]}`）"
    if change.dimension in _MORE_PRECISE or _taxonomy(vocabulary, change.dimension).covers(
        str(change.before), change.value
    ):
        return f"写明更具体的{noun}：{value}"
    before = _term(str(change.before), _taxonomy(vocabulary, change.dimension))
    if change.dimension is Dimension.RECIPIENT:
        inside = vocabulary.recipients.covers(FIRST_PARTY, change.value)
        verb = "数据只留在" if inside else "改为提供给"
        return f"{verb}{value}，而不是{before}"
    return f"{noun}改为{value}，而不是{before}"


def policy_change(change: PolicyChange, vocabulary: Vocabulary) -> str:
    """Say how a statement would have to read."""
    cited = _cited_as(change.statement, change.clause)
    if change.dimension is None:
        return f"撤回禁止性{cited}"
    noun = _noun(change.dimension)
    if change.action in {Action.RAISE, Action.LOWER}:
        to = "保留期限放宽" if change.action is Action.RAISE else "最短保留期限缩短"
        return f"把{cited}的{to}到 {change.days} 天"
    if change.action is Action.LIFT:
        return f"{cited}不再限定{noun}"
    terms = "和".join(_term(term, _taxonomy(vocabulary, change.dimension)) for term in change.terms)
    if change.action in {Action.ADD, Action.INCLUDE}:
        is_new = change.action is Action.ADD
        return f"在{cited}的{noun}中加入{terms}" if is_new else f"{cited}的{noun}不再排除{terms}"
    if change.action is Action.DROP:
        return f"{cited}不再要求{terms}{'成立' if change.holds else '不成立'}"
    by = "、".join(f"`{term}`" for term in change.defined_terms)
    named = f"（经由定义词 {by} 列入）" if by else ""
    return f"从{cited}所禁止的{noun}中去掉{terms}{named}"


def _by_ledger(fact: str, vocabulary: Vocabulary) -> str:
    """Say who states a fact, if a claim in the event does not count."""
    stated_by = vocabulary.stated_by(fact, "zh")
    if stated_by is None:
        return ""
    return f"，以事实台账为准，事件自己的说法不作数（{stated_by.rstrip('。')}）"


def _retention_change(change: EventChange) -> str:
    if isinstance(change.before, int) and isinstance(change.value, int):
        bound = "至少" if change.before < change.value else "不超过"
        return f"保留{bound} {change.value} 天"
    words = span_words(*change.span, _TEXTS)
    return f"写明保留{words}（字段 `data.retention_days`）"


def _event(flow: FlowTerms, category: str, vocabulary: Vocabulary) -> str:
    """Say what happened to one data category."""
    role = _term(flow.role, vocabulary.roles)
    recipient = _term(flow.recipient, vocabulary.recipients)
    operation = _term(flow.operation, vocabulary.operations)
    root = next(
        (each for each in vocabulary.operations.lineage(flow.operation) if each in _VERBS), ""
    )
    detail = f"（{operation}）" if root != flow.operation else ""
    if not root:
        done = f"由{recipient}进行{operation}"
    elif root == "share":
        done = f"被共享{detail}给{recipient}"
    else:
        done = f"被{recipient}{_VERBS[root]}{detail}"
    data = _term(category, vocabulary.data_categories)
    purpose = _term(flow.purpose, vocabulary.purposes)
    return f"{role}的{data}{done}，用途为{purpose}"


def _unknown_terms(controller: str, terms: Iterable[UnknownTerm]) -> str:
    listed = "、".join(f"{_NOUNS[each.field]} `{each.term}`" for each in terms)
    return f"`{controller}` 的词汇表中没有{listed}，因此无法判断。"


def _omission(
    kind: Kind,
    nearest: Statement | None,
    failed: Sequence[FailedDimension],
    flow: FlowTerms,
    vocabulary: Vocabulary,
) -> str:
    """Say what the policy does not declare, and what the nearest statement lacks."""
    if nearest is None:
        return f"；{_LACKS[kind]}。"
    left_out = [
        _noun(each.dimension)
        for each in failed
        if each.actual is None and each.dimension is not Dimension.FACTS
    ]
    marked = kind in _LACKS  # otherwise the sentence begins with what the event leaves out
    terms = "，".join(_lack(each, nearest, flow, vocabulary, marked=marked) for each in failed)
    if not marked and left_out:
        return f"；事件未说明{'、'.join(left_out)}，而最接近的是{_cited(nearest)}，{terms}。"
    if not marked:
        return f"；最接近的是{_cited(nearest)}，但{terms}。"
    lack = _LACKS[kind]
    lacking = {each.dimension for each in failed}
    if kind is Kind.UNDECLARED_PURPOSE and Dimension.RECIPIENT in lacking:
        lack = _NOT_BY_ITSELF
    elif kind is Kind.UNDECLARED_THIRD_PARTY_SHARING and lacking.isdisjoint(
        {Dimension.DATA_CATEGORY, Dimension.RECIPIENT}
    ):
        lack = _NOT_FOR_THAT_PURPOSE
    return f"；{lack}。最接近的是{_cited(nearest)}，{terms}。"


def _contradiction(statement: Statement, held: FlowTerms, vocabulary: Vocabulary) -> str:
    """Say that what a statement requires is claimed, but not so according to the ledger."""
    unmet = statement.unmet(held.facts)
    ledger = "，".join(
        _term(fact, vocabulary.facts) + _HOLDS[held.facts.get(fact)] for fact, _ in unmet
    )
    return (
        f"；事件声称{_conditions(unmet, vocabulary)}，正如{_cited(statement)}所要求，"
        f"但事实台账中{ledger}，因此该说法不作数。"
    )


def _conditions(conditions: Iterable[tuple[str, bool]], vocabulary: Vocabulary) -> str:
    return "且".join(
        f"{_term(fact, vocabulary.facts)}{_HOLDS[holds]}" for fact, holds in conditions
    )


def _lack(
    failed: FailedDimension,
    statement: Statement,
    flow: FlowTerms,
    vocabulary: Vocabulary,
    *,
    marked: bool,
) -> str:
    """Say what a statement names in a dimension that the flow fails."""
    if failed.dimension is Dimension.RETENTION:
        limit = f"其保留期限{retention_words(statement, _TEXTS)}"
        if failed.actual is not None:
            return f"{limit}（事件为 {failed.actual} 天）"
        return limit + (_NOT_STATED if marked else "")
    if failed.dimension is Dimension.FACTS:
        return f"其要求{_conditions(statement.unmet(flow.facts), vocabulary)}"
    listed = _listed(failed, statement, vocabulary, marked=marked)
    return f"其{_noun(failed.dimension)}限于{listed}"


def _part(failed: FailedDimension, prohibition: Statement, vocabulary: Vocabulary) -> str:
    """Say what a prohibition names in a dimension in which the flow is more general."""
    noun = _noun(failed.dimension)
    if failed.dimension is Dimension.RETENTION:
        return f"{noun}{retention_words(prohibition, _TEXTS)}{_NOT_STATED}"
    return f"{noun}为{_listed(failed, prohibition, vocabulary)}"


def _listed(
    failed: FailedDimension, statement: Statement, vocabulary: Vocabulary, *, marked: bool = True
) -> str:
    """List what a statement names in a dimension of terms, and what it leaves out of that."""
    taxonomy = _taxonomy(vocabulary, failed.dimension)
    listed = _some(failed.expected, taxonomy) if failed.expected else "任何项"
    if excepted := statement.excepted(failed.dimension):
        listed += f"，但{_some(excepted, taxonomy)}除外"
    return listed + (_NOT_STATED if marked and failed.actual is None else "")


def _some(terms: Sequence[str], taxonomy: Taxonomy) -> str:
    listed = "、".join(_term(term, taxonomy) for term in terms[:_MAX_LISTED])
    return listed + (f"等 {len(terms)} 项" if len(terms) > _MAX_LISTED else "")


def _noun(dimension: Dimension) -> str:
    return _TEXTS(f"dimension.{dimension}")


def _taxonomy(vocabulary: Vocabulary, dimension: Dimension) -> Taxonomy:
    return {
        Dimension.ROLE: vocabulary.roles,
        Dimension.DATA_CATEGORY: vocabulary.data_categories,
        Dimension.PURPOSE: vocabulary.purposes,
        Dimension.RECIPIENT: vocabulary.recipients,
        Dimension.OPERATION: vocabulary.operations,
        Dimension.SOURCE: vocabulary.sources,
        Dimension.LOCATION: vocabulary.locations,
        Dimension.LEGAL_BASIS: vocabulary.legal_bases,
        Dimension.FACTS: vocabulary.facts,
    }[dimension]


def _term(term: str, taxonomy: Taxonomy) -> str:
    """Return the Chinese label and the term, or the term alone."""
    label = taxonomy[term].label.get("zh")
    return f"「{label}」（`{term}`）" if label else f"`{term}`"


def _cited(statement: Statement) -> str:
    return _cited_as(statement.id, statement.clause)


def _cited_as(statement: str, clause: str) -> str:
    return _TEXTS("cited", statement=statement, clause=clause)
