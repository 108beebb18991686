"""Splits labels and queries into words that can be compared, in English and Chinese."""

import re
import unicodedata

_RUNS = re.compile(r"(?P<chinese>[\u3400-\u9fff]+)|[^\W_\u3400-\u9fff]+")
_E_WORD = re.compile(r"\be-(?=[a-z])")

_PLURALS = (("sses", "ss"), ("ies", "y"), ("ss", "ss"), ("us", "us"), ("is", "is"), ("s", ""))
_SPELLINGS = (
    ("isation", "ization"),
    ("ise", "ize"),
    ("yse", "yze"),
    ("ence", "ense"),
    ("our", "or"),
    ("tre", "ter"),
)
_SHORTEST = 4
"""Shorter words are left as they are."""

_SIMPLIFIED = str.maketrans(
    "與業東個為義習買亞產親眾優會傳傷倫體傭債儲兒蘭關興冊況減憑擊劃刪別辦務動區醫協單賣盧歷發變"
    "號啟員國圖場聲處備復頭奧學實審對導將爾屬崗島幣師並廣庫應開張強歸當錄徵態戶執掃護報擔擇據數"
    "斷無時機權條來構標檔檢歐毀匯測瀏溫灣潰濫點愛狀環現電畫療監碼確種稱稅簽簡類緊級紀緯純納線練"
    "組經絡統維綜編繳網羅罰聯職脫臉臘範薦獲營規視覽觀計訂認討讓訓議訊記許論訟設訪證評識詐訴診詞"
    "話詢語請調誼財賬帳質購貸費資贊蹤車轉軟載輔輛輸過運還進違連遞遺遙郵銀銷門問聞閱陸險隱韓頁顧"
    "預頻風馬駛駕驗騙麥齡後臺係誌製準於採裡諮贏寬賓響獨損換積離難釋飲黃遠適側創則劑勞壓層擁擴顯"
    "歡濟盤穩補價億華衛錢鐘鍵鑰鎖閉間隊階際雲題額願飯館驚鳥龍蓋藥術紙終結給絕續總織繼讀貨貴貼賠"
    "賴趕跡躍軌軍較輕輪農邊鄰醬釘針鐵鏈鏡長陽隨雙雜雞靈靜項順須領顏飛養駐騎鬥魚鮮鹽黨齊",
    "与业东个为义习买亚产亲众优会传伤伦体佣债储儿兰关兴册况减凭击划删别办务动区医协单卖卢历发变"
    "号启员国图场声处备复头奥学实审对导将尔属岗岛币师并广库应开张强归当录征态户执扫护报担择据数"
    "断无时机权条来构标档检欧毁汇测浏温湾溃滥点爱状环现电画疗监码确种称税签简类紧级纪纬纯纳线练"
    "组经络统维综编缴网罗罚联职脱脸腊范荐获营规视览观计订认讨让训议讯记许论讼设访证评识诈诉诊词"
    "话询语请调谊财账账质购贷费资赞踪车转软载辅辆输过运还进违连递遗遥邮银销门问闻阅陆险隐韩页顾"
    "预频风马驶驾验骗麦龄后台系志制准于采里咨赢宽宾响独损换积离难释饮黄远适侧创则剂劳压层拥扩显"
    "欢济盘稳补价亿华卫钱钟键钥锁闭间队阶际云题额愿饭馆惊鸟龙盖药术纸终结给绝续总织继读货贵贴赔"
    "赖赶迹跃轨军较轻轮农边邻酱钉针铁链镜长阳随双杂鸡灵静项顺须领颜飞养驻骑斗鱼鲜盐党齐",
)
"""Traditional characters, and the simplified ones that labels are written in."""

_STOP_WORDS = frozenset(
    {"a", "an", "and", "by", "for", "from", "in", "is", "it", "of", "on", "or", "s", "that"}
    | {"the", "their", "to", "with"}
)


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text in their order, each in the form in which it is compared.

    Plurals, British and American spellings, and traditional and simplified characters fold
    together. Chinese has no spaces, so a run of its characters becomes every pair of neighbours.
    """
    plain = _E_WORD.sub("e", unicodedata.normalize("NFKC", text).casefold())
    plain = plain.translate(_SIMPLIFIED)
    words: list[str] = []
    for run in _RUNS.finditer(plain):
        if run["chinese"] is None:
            words.append(_folded(run[0]))
        else:
            words.extend(_pairs(run[0]))
    return tuple(word for word in words if word not in _STOP_WORDS)


def _pairs(run: str) -> list[str]:
    return [run[start : start + 2] for start in range(max(1, len(run) - 1))]


def _folded(word: str) -> str:
    for endings in (_PLURALS, _SPELLINGS):
        for ending, other in endings:
            if len(word) >= _SHORTEST and word.endswith(ending):
                word = word.removesuffix(ending) + other
                break
    return word
