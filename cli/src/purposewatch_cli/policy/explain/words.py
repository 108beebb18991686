"""What explanations say around the sentences and labels, in each language."""

# ruff: noqa: RUF001 - the punctuation of Chinese is no mistake

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Words:
    """Templates and headings. Names in braces are filled in by whoever prints them."""

    under: str
    in_force_at: str
    permitted_by: str
    prohibited_by: str
    nearest: str
    clause: str
    dimension: str
    event_states: str
    statement_names: str
    not_stated: str
    not_restricted: str
    at_most: str
    one_day: str
    days: str
    holds: str
    does_not_hold: str
    smallest_change: str
    of_the_event: str
    of_the_policy: str
    then_permitted: str
    this_category: str
    no_event_remedy_prohibited: str
    no_event_remedy_undeclared: str
    no_policy_remedy: str
    leave_out: str
    meant: str
    not_in_vocabulary: str
    version: str
    version_until: str
    more: str
    of_future: str
    label_first: bool
    """Whether a label comes before its term."""


ENGLISH = Words(
    under="policy of `{controller}`, version {version}",
    in_force_at="at {at}",
    permitted_by="permitted by",
    prohibited_by="prohibited by",
    nearest="nearest statement",
    clause="clause {clause}",
    dimension="dimension",
    event_states="the event",
    statement_names="the statement",
    not_stated="not stated",
    not_restricted="any",
    at_most="at most {days}",
    one_day="1 day",
    days="{days} days",
    holds="holds",
    does_not_hold="does not hold",
    smallest_change="smallest change that would make it permitted",
    of_the_event="of the event",
    of_the_policy="of the policy",
    then_permitted="then {statement} ({clause}) permits it",
    this_category=", for this data category by itself",
    no_event_remedy_prohibited="none: whatever else the event states, {statement} ({clause}) "
    "or another prohibition stands in the way",
    no_event_remedy_undeclared="none: no statement for this role permits anything with this data "
    "category",
    no_policy_remedy="no statement can be widened; declare one that permits it",
    leave_out="without {categories} the event would be permitted",
    meant="`{term}` is not in the vocabulary; did you mean `{meant}`?",
    not_in_vocabulary="`{term}` is not in the vocabulary; declare it, or take a term that is",
    version="version {version} is in force from {begins}",
    version_until="version {version} was in force from {begins} until {until}",
    more="and {count} more",
    of_future="An event states what was done: change what is done, then what is stated.",
    label_first=False,
)

CHINESE = Words(
    under="`{controller}` 的政策，版本 {version}",
    in_force_at="时间 {at}",
    permitted_by="允许的依据",
    prohibited_by="禁止的依据",
    nearest="最接近的声明",
    clause="条款 {clause}",
    dimension="维度",
    event_states="事件",
    statement_names="声明",
    not_stated="未说明",
    not_restricted="不限",
    at_most="不超过 {days}",
    one_day="1 天",
    days="{days} 天",
    holds="成立",
    does_not_hold="不成立",
    smallest_change="使其获得允许的最小改动",
    of_the_event="改事件",
    of_the_policy="改政策",
    then_permitted="此后由声明 {statement}（{clause}）允许",
    this_category="，仅就该数据类别而言",
    no_event_remedy_prohibited="无：无论事件还说明什么，都为声明 {statement}（{clause}）等所禁止",
    no_event_remedy_undeclared="无：没有针对该角色的声明允许处理该类数据",
    no_policy_remedy="没有可以放宽的声明；须另行声明",
    leave_out="去掉{categories}后，事件即获允许",
    meant="词汇表中没有 `{term}`；是否指 `{meant}`？",
    not_in_vocabulary="词汇表中没有 `{term}`；请先声明，或改用已有的词",
    version="版本 {version} 自 {begins} 起生效",
    version_until="版本 {version} 自 {begins} 起生效，至 {until} 为止",
    more="另有 {count} 项",
    of_future="事件陈述的是已发生的事：应先改变做法，再改变陈述。",
    label_first=True,
)

WORDS: Mapping[str, Words] = MappingProxyType({"en": ENGLISH, "zh": CHINESE})
"""By language tag, the same as `purposewatch_policy.explain.language.LANGUAGES`."""
