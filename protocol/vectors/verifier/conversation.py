"""Frames, items and wants; the join code; the frames of admission. Part 4 of the text."""
import re

from .objects import Envelope
from .reading import (
    POSITION_MAX, Bytes, Fault, Refused, as_text, ascends, check_sig, incarnation, is_permitted, keys, need, organisation, ref, region, seat, sigs, within,
)  # fmt: skip

ENVELOPE_WIRE_BYTES_MAX = 9 + 262144 + 8 * 513
WORD_BYTES_MAX = 16384
FRAME_BYTES_MAX = 4521984


def bytes_(r, most):
    return r.take(within(r.number(8), 0, most))


def text(r, most):
    return as_text(bytes_(r, most))


def list_(r, most, read, least=0):
    return [read(r) for _ in range(within(r.number(8), least, most))]


def position(r):
    return within(r.number(8), 0, POSITION_MAX)


def signed(r):
    return str(r.number(8, signed=True))


def hexed(x):
    """What was read, as the vectors show it."""
    if isinstance(x, bytes):
        return x.hex()
    if isinstance(x, dict):
        return {k: hexed(v) for k, v in x.items()}
    return [hexed(v) for v in x] if isinstance(x, (list, tuple)) else x


def word(r):
    b = bytes_(r, WORD_BYTES_MAX)
    need(b[1:2] in (b"\x0a", b"\x0d"), "form")
    return b


def envelope(r):
    return bytes_(r, ENVELOPE_WIRE_BYTES_MAX)


# ---- items ------------------------------------------------------------------------------------------------------------


def routed(r):
    return {"subjects": list_(r, 256, lambda r: text(r, 520), 1), "from": text(r, 64), "to": text(r, 64), "by": r.take(16)}


def checkpoint(r):
    return {"cursors": [position(r) for _ in range(3)], "region": text(r, 64), "count": r.number(8), "sum": r.take(32)}


def sums(r):
    return {"region": text(r, 64), "buckets": [(r.number(4), r.take(32)) for _ in range(256)]}


def piece(r):
    out = {"root": r.take(32), "suite": r.number(1), "index": r.number(4)}
    need(out["suite"], "form")
    out["bytes"] = r.take(within(r.number(8), 1, 1 << 20))
    return out | {"proof": list_(r, 6, lambda r: r.take(32))}


def item_envelope(r):
    b = envelope(r)
    need(len(b) > 1 and b[1] not in (3, 9, 10, 11, 13), "form")
    return {"envelope": b}


def slice_(r):
    return {"header": envelope(r), "packed": bytes_(r, FRAME_BYTES_MAX)}


ITEMS = {1: item_envelope, 2: slice_, 3: routed, 4: checkpoint, 5: sums, 6: piece}
IN_FEED = {1: [0], 2: [0, 1, 2], 3: [0, 1, 2], 4: [0, 1, 2], 5: [], 6: []}
NOT_IN_PAGE = (3, 4)


def item(number, body):
    need(number, "form")
    return {"item": number} | (ITEMS[number](Bytes(body)) if number in ITEMS else {"unread": body})


def framed_item(r):
    number, body = r.number(1), r.string(4)
    need(number or not body, "contradiction")
    return number, body


def whole_item(data):
    r = Bytes(data)
    number, body = framed_item(r)
    r.end()
    return item(number, body)


def page_item(r):
    number, body = framed_item(r)
    out = item(number, body)
    need(number not in NOT_IN_PAGE, "form")
    return out


# ---- wants ------------------------------------------------------------------------------------------------------------


def log(r):
    return {"seat": r.take(16), "lane": r.number(1), "opening": ref(r)}


def want_range(r):
    out = log(r) | {"from": position(r), "to": position(r)}
    need(out["to"] == 0 or out["from"] <= out["to"], "bound")
    return out


def want_subject(r):
    out = {"subject": text(r, 520)}
    need(out["subject"], "bound")
    return out


def want_attachment(r):
    out = {"suite": r.number(1), "root": r.take(32), "from": r.number(4), "to": r.number(4)}
    need(out["suite"], "form")
    need(out["from"] < out["to"] <= 64, "bound")
    return out


WANTS = {
    1: want_subject,
    2: want_range,
    3: lambda r: {"references": list_(r, 256, ref, 1)},
    4: want_attachment,
    5: lambda r: {"region": text(r, 64), "bucket": r.number(2)},
    6: lambda r: log(r) | {"sequence": within(r.number(8), 1, POSITION_MAX)},
}


def want(kind, body):
    return {"want": kind} | (WANTS[kind](Bytes(body)) if kind in WANTS else {"unread": body})


def whole_want(data):
    r = Bytes(data)
    return want(r.number(1), r.data[1:])


def is_understood(shown):
    return shown["want"] in WANTS and shown.get("bucket", 0) <= 257


# ---- frames -----------------------------------------------------------------------------------------------------------


def presence(r):
    who, all_ = r.take(16), []
    for _ in range(within(r.number(8), 0, 4)):
        suite, b = r.number(1), bytes_(r, 255)
        check_sig(suite, b)
        all_.append((suite, b))
    need(ascends([s[0] for s in all_]), "order")
    return who, all_


def hello(r):
    out = {"frames": r.number(1), "items": r.number(1), "instance": r.take(16), "incarnation": incarnation(r)}
    out |= {"release": text(r, 255), "seats": list_(r, 64, presence, 1), "statements": list_(r, 256, envelope)}
    need(len({s[0] for s in out["seats"]}) == len(out["seats"]), "order")
    return out


def interest(r):
    out = {"version": r.number(4), "full": r.flag(), "city_wide": r.flag()}
    out["regions"] = list_(r, 1024, lambda r: text(r, 64))
    out["organisations"] = list_(r, 1024, lambda r: text(r, 81))
    out["seats"] = list_(r, 1024, lambda r: r.take(16))
    within(sum(len(out[k]) for k in ("regions", "organisations", "seats")), 0, 1024)
    return out


def cursor(r):
    offset, token = position(r), r.take(16)
    need(offset or token == bytes(16), "contradiction")
    return offset, token


def resume(r):
    out = {"incarnation": incarnation(r), "cursors": [cursor(r) for _ in range(3)], "interest": interest(r)}
    return out | {"window": r.number(8), "words": list_(r, 8, word)}


def class_(r):
    return within(r.number(1), 0, 2)


def feed(r):
    out = {"class": class_(r), "interest": r.number(4), "after": position(r), "offset": position(r)}
    out |= {"directory": position(r), "token": r.take(16), "item": "none"}
    number, body = framed_item(r)
    if number:
        try:
            out["item"] = item(number, body)
            need(out["class"] in IN_FEED.get(number, [0, 1, 2]), "form")
        except Refused as e:
            raise Refused(e.reason, "item")
    return out


def page(r):
    out = {"number": r.number(8), "place": bytes_(r, 1024), "code": r.number(1), "built_at": position(r)}
    out |= {"items": list_(r, 65535, page_item), "next": bytes_(r, 1024)}
    need(out["code"] not in (1, 2, 3) or not (out["items"] or out["next"]), "contradiction")
    return out


def want_frame(r):
    number, kind = r.number(8), r.number(1)
    body = bytes_(r, 65535)
    return {"number": number, "want": want(kind, body), "place": bytes_(r, 1024)}


def goodbye(r):
    return {"code": r.number(1), "class": r.number(1), "offset": r.number(8), "words": text(r, 65535)}


def log_entry(r):
    out = {"seat": r.take(16), "lane": r.number(1), "opening": ref(r, zero=True), "state": r.number(1)}
    out |= {"reason": r.number(2), "since": signed(r), "taken_in": position(r), "applied": position(r)}
    return out | {"header": envelope(r), "opening_envelope": envelope(r)}


def health(r):
    out = {"seat": r.take(16), "since": signed(r), "state": r.number(1)}
    out["reasons"] = list_(r, 255, lambda r: r.number(2))
    out["figures"] = list_(r, 255, lambda r: (r.number(1), signed(r)))
    return out | {"release": text(r, 255), "relayed": r.flag()}


def statements(r):
    what = r.number(1)
    if what == 1:
        return {"what": 1, "cursor": position(r), "scope": r.number(1), "count": r.number(8), "sum": r.take(32)}
    if what == 2:
        return {"what": 2, "scope": r.number(1), "after": ref(r, zero=True)}
    if what == 3:
        out = {"what": 3, "scope": r.number(1), "last": r.flag(), "references": list_(r, 4096, ref)}
        need(ascends(out["references"]), "order")
        need(out["references"] or out["last"], "contradiction")
        return out
    return {"what": what}


FRAMES = {
    1: hello, 2: resume, 3: feed, 4: lambda r: {"class": class_(r), "offset": position(r), "window": r.number(8)},
    5: lambda r: {"envelopes": list_(r, 256, word, 1)}, 6: want_frame, 7: page, 8: goodbye,
    9: lambda r: {"end": r.number(1), "entries": list_(r, 65535, log_entry)},
    10: lambda r: {"seats": list_(r, 256, health)}, 11: statements,
}  # fmt: skip


def frame(data):
    """What a frame says, and what of its body is not known."""
    r = Bytes(data)
    number, length = r.number(1), within(r.number(4), 0, FRAME_BYTES_MAX)
    body = Bytes(r.take(length))
    r.end()
    out = {"frame": number} | (FRAMES[number](body) if number in FRAMES else {})
    return out, body.data[body.at :]


# ---- the join code ----------------------------------------------------------------------------------------------------

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PRIME = 33_554_393
DASHES = {chr(c) for c in range(0x2010, 0x2016)} | {"\u2212", "－", "一"}


class Mistyped(Fault):
    def __init__(self, reason, group=0):
        super().__init__(reason)
        self.reason, self.group = reason, group


def narrow(c):
    if c in DASHES:
        return "-"
    return chr(ord(c) - 0xFEE0) if 0xFF01 <= ord(c) <= 0xFF5E else c


def groups_of(typed):
    words = [w for w in re.split(r"[-\s]", "".join(map(narrow, typed.strip()))) if w]
    prefix = words[0].upper() if words else ""
    if prefix != "ZH2":
        later = re.fullmatch("ZH([0-9]+)", prefix, re.ASCII)
        if later and int(later[1]) != 2:
            raise Mistyped("outdated" if int(later[1]) < 2 else "later")
        raise Mistyped("prefix")
    words = words[1:]
    if len(words) == 1:
        words = [words[0][i : i + 5] for i in range(0, len(words[0]), 5)]
    if len(words) > 36:
        raise Mistyped("groups")
    out = []
    for at, letters in enumerate(words, 1):
        value = 0
        for c in letters:
            c = {"O": "0", "I": "1", "L": "1"}.get(c.upper() if c.isascii() else c, c.upper() if c.isascii() else c)
            if c not in ALPHABET:
                raise Mistyped("letter", at)
            value = value << 5 | ALPHABET.index(c)
        if len(letters) != 5:
            raise Mistyped("group", at)
        out.append(value)
    return out


def checks(data):
    n = len(data)
    return [(n + sum(data)) % PRIME, (n + sum(i * d for i, d in enumerate(data, 1))) % PRIME]


def written(content):
    bits = "".join(f"{b:08b}" for b in content)
    bits += "0" * (-len(bits) % 25)
    data = [int(bits[i : i + 25], 2) for i in range(0, len(bits), 25)]
    letters = lambda g: "".join(ALPHABET[g >> shift & 31] for shift in (20, 15, 10, 5, 0))
    return "-".join(["ZH2"] + [letters(g) for g in data + checks(data)])


def which_is_wrong(data, read):
    d1, d2 = [(a - b) % PRIME for a, b in zip(checks(data), read)]
    n = len(data)
    if d1 == 0:
        for i in range(n):
            for j in range(i + 1, n):
                other = list(data)
                other[i], other[j] = other[j], other[i]
                if checks(other) == read:
                    return Mistyped("swapped", i + 1)
        return Mistyped("mistyped", n + 2)
    if d2 == 0:
        return Mistyped("mistyped", n + 1)
    for i in range(1, n + 1):
        if i * d1 % PRIME == d2:
            return Mistyped("mistyped", i)
    return Mistyped("more")


def is_address(s):
    host, colon, port = s.rpartition(":")
    printable = all("!" <= c <= "~" for c in s)
    number = bool(re.fullmatch("[0-9]+", port, re.ASCII)) and 1 <= int(port) <= 65535
    return len(s) <= 64 and printable and bool(colon) and host != "" and number


def code(typed):
    """(what a code reads as, its content)."""
    groups = groups_of(typed)
    length = groups[0] >> 17 if groups else 1
    expected = -(-length * 8 // 25) + 2
    if len(groups) <= 2:
        raise Mistyped("groups")
    data, read = groups[:-2], groups[-2:]
    if checks(data) != read:
        wrong = which_is_wrong(data, read)
        raise Mistyped("groups") if wrong.reason == "more" and len(groups) != expected else wrong
    if len(groups) != expected:
        raise Mistyped("groups")
    bits = "".join(f"{g:025b}" for g in data)
    if length * 8 > len(bits) or "1" in bits[length * 8 :]:
        raise Mistyped("content")
    content = int(bits[: length * 8] or "0", 2).to_bytes(length, "big")
    try:
        r = Bytes(content)
        r.number(1)
        out = {"kind": within(r.number(1), 1, 3), "expires": r.number(4), "secret": r.take(10).hex()}
        out |= {"suite": r.number(1), "authority": r.take(20).hex(), "issuer": r.take(4).hex(), "address": r.text(1)}
        need(is_address(out["address"]), "form")
        r.end()
    except Refused:
        raise Mistyped("content")
    if out["kind"] == 1:
        raise Mistyped("city")
    if out["suite"] != 1:
        raise Mistyped("suite")
    return out, content


# ---- admission --------------------------------------------------------------------------------------------------------


def envelopes(r):
    all_ = [r.string(4) for _ in range(within(r.number(2), 1, 256))]
    for b in all_:
        Envelope(b)
    return all_


def offer(r):
    out = {"seat": seat(r), "kind": within(r.number(1), 1, 3, "form"), "organisation": organisation(r)}
    return out | {"title": r.text(2, 200, 1), "jurisdiction": region(r), "node": seat(r), "former": ref(r, zero=True)}


def request(r):
    out = {"secret": r.take(10), "seat": r.take(16), "keys": keys(r), "possession": sigs(r), "presence": sigs(r)}
    out |= {"consent": sigs(r), "title": r.text(2, 200), "types": []}
    for _ in range(within(r.number(1), 0, 64)):
        out["types"].append(r.text(1))
        need(is_permitted(out["types"][-1]), "form")
    return out


NEWCOMER = {1: lambda r: {"version": r.number(1)}, 3: lambda r: {"secret": r.take(10), "kind": r.number(1)}, 5: request}
SERVER = {
    2: lambda r: {"seat": r.take(16), "presence": sigs(r), "envelopes": envelopes(r)},
    4: offer,
    6: lambda r: {"envelopes": envelopes(r)},
    7: lambda r: {"again_after": within(r.number(2), 1, 60), "words": r.text(2, 1000)},
    8: lambda r: {"code": r.number(1), "reason": r.text(2, 1000), "contact": r.text(2, 1000)},
}


def exchange(data, frames):
    within(len(data), 0, 65536)
    r = Bytes(data)
    number = r.number(1)
    need(number in frames, "form")
    out = {"number": number} | frames[number](r)
    if out.get("version", 2) == 2:
        r.end()
    return out
