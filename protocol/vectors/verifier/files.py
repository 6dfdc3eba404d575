"""What each list of each vector file says, checked example by example."""
import copy, functools

from . import conversation, directory, ed25519, entries, objects, reading
from .conversation import hexed
from .entries import Opening, root, string
from .objects import Body, Envelope, object_hash
from .reading import Bytes, Refused, Wrong, need, put_keys, sha, signing, sigs_verify, whole

unhex = bytes.fromhex


class Count:
    done = 0


def same(what, got, want):
    Count.done += 1
    if got != want:
        raise Wrong(f"{what}: computed {str(got)[:300]!r}, vector says {str(want)[:300]!r}")


# ---- bytes that must be refused: how each layout is read, and whose fault they are unless the reader says otherwise ---


def only(read):
    return lambda data: whole(data, read)


def signing_key(data):
    need(ed25519.is_key(data), "key")


LAYOUTS = {
    "signing key": ("relay", signing_key), "ref": ("relay", only(lambda r: reading.ref(r, zero=True))),
    "pos": ("relay", only(reading.pos)), "incarnation": ("relay", only(reading.incarnation)),
    "keys": ("relay", only(reading.keys)), "sigs": ("relay", only(reading.sigs)), "envelope": ("relay", Envelope),
    "value": ("entry", only(entries.value)), "hint": ("origin", only(entries.hint)),
    "subject": ("entry", only(entries.subject)), "key": ("origin", entries.record_key), "head": ("entry", entries.head),
    "section": ("entry", entries.section), "section 15": ("entry", entries.section_15), "opening": ("relay", Opening),
    "receipt": ("relay", only(objects.receipt)), "feed head": ("relay", only(objects.feed_head)),
    "root version": ("origin", only(objects.root_version)), "identity": ("origin", only(objects.identity)),
    "revocation": ("origin", only(objects.revocation)), "opening of an epoch": ("origin", only(objects.epoch_opening)),
    "closing": ("origin", only(objects.closing)), "fork decision": ("origin", only(objects.fork_decision)),
    "activation": ("origin", only(objects.activation)), "erasure": ("origin", only(objects.erasure)),
    "header": ("origin", objects.judged_header), "frame": ("peer", conversation.frame),
    "item": ("item", conversation.whole_item), "want": ("peer", conversation.whole_want),
    "from a newcomer": ("peer", lambda data: conversation.exchange(data, conversation.NEWCOMER)),
    "from a server": ("peer", lambda data: conversation.exchange(data, conversation.SERVER)),
}  # fmt: skip


def check_refused(x, files):
    layouts = LAYOUTS | {"first body": ("relay", lambda data: Body(data, first_groups(files)))}
    blame, read = layouts[x["layout"]]
    try:
        read(unhex(x["refused_bytes"]))
    except Refused as e:
        same(f"{x['layout']}, {x['what']}: reason", e.reason, x["reason"])
        same(f"{x['layout']}, {x['what']}: fault", e.blame or blame, x["blame"])
        return
    raise Wrong(f"{x['layout']}, {x['what']}: accepted")


def first_groups(files):
    return objects.header(Envelope(unhex(files["batches"]["batches"][0]["envelope"])).bytes)["groups"]


# ---- keys.json, names.json --------------------------------------------------------------------------------------------


def check_key(x, _):
    same("public key", ed25519.public(unhex(x["seed"])).hex(), x["public"])


def check_list(x, _):
    data = unhex(x["bytes"])
    same("keys", hexed(whole(data, reading.keys)), x["reads"])
    fingerprint = sha(data).hex()
    same("fingerprint", fingerprint, x["fingerprint"])
    same("shown", " ".join(fingerprint[i : i + 4] for i in range(0, 20, 4)), x["shown"])


def check_sigs(x, _):
    same("signatures", hexed(whole(unhex(x["bytes"]), reading.sigs)), x["reads"])


def check_signature(x, _):
    same("signature", ed25519.signed(*[unhex(x[k]) for k in ("public", "message", "signature")]), True)


def check_bad_signature(x, _):
    b = unhex(x["refused_bytes"])
    same(x["what"], ed25519.signed(b[:32], b[32:64], b[64:]), False)


TEXTS = {
    "division": reading.is_division, "region": reading.is_region, "organisation": reading.is_organisation,
    "permitted": reading.is_permitted,
}  # fmt: skip


def check_text(x, _):
    same(f"{x['what']} {x['text']}", int(TEXTS[x["what"]](x["text"])), x["holds"])


def check_inside(x, _):
    same(f"{x['text']} inside {x['outer_text']}", int(reading.is_inside(x["text"], x["outer_text"])), x["holds"])


def check_permits(x, _):
    same(f"{x['permitted']} permits", int(reading.permits(x["permitted"], x["text"])), x["holds"])


# ---- values, keys, heads, openings, trees, ids ------------------------------------------------------------------------


def check_value(x, _):
    same("value", whole(unhex(x["bytes"]), entries.value), x["reads"])


def check_record_key(x, _):
    columns = [unhex(c) for c in x["columns"]]
    for c in columns:
        whole(c, entries.value)
    clear = b"\1" + bytes([len(columns)]) + b"".join(columns)
    if "secret" in x:
        key = b"\3" + entries.hmac.new(unhex(x["secret"]), clear, "sha256").digest()
    else:
        key = clear if len(clear) <= 256 else b"\2" + sha(clear)
    same("key", entries.record_key(key).hex(), x["key"])


def check_person(x, _):
    same("person", entries.person(unhex(x["person_key"]), x["document"], x["number"]).hex(), x["person"])


def check_hint(x, _):
    same("hint", whole(unhex(x["bytes"]), entries.hint), x["reads"])
    who = [(kind, lane) for kind in ("city", "district", "department") for lane in range(3)]
    allowed = [f"{k}, lane {l}" for k, l in who if entries.hint_allowed(x["reads"], k, l, x["node"])]
    same("who may use it", allowed, x["allowed"])
    # the node matters only where it is addressed
    same("node", x["node"], "d1" * 16)


def check_subject(x, _):
    same("subject", whole(unhex(x["bytes"]), entries.subject), x["reads"])
    same("seat and type", [x["seat"], x["record_type"]], ["e1" * 16, "permit"])
    key = entries.record_key(unhex(x["key"]))
    same("key", key, b"\1\1\4" + (4).to_bytes(4, "big") + b"JS-7")
    same("name", entries.named(x["reads"], unhex(x["seat"]), x["record_type"].encode(), key), x["named"])
    same("name is one", entries.is_subject_name(x["named"]), True)


def check_subject_name(x, _):
    same(f"{x['text']} names a subject", int(entries.is_subject_name(x["text"])), x["holds"])


def check_head(x, _):
    same("head", entries.head(unhex(x["bytes"])), x["reads"])


def check_section_15(x, _):
    same("section 15", entries.section_15(unhex(x["bytes"])), x["fields"])


def check_opening(x, files):
    o = Opening(unhex(x["opening"]))
    same("sections", o.shown(), x["sections"])
    same("leaf", o.leaf.hex(), x["leaf"])
    same("laid out again", o.bytes().hex(), x["opening"])
    if o.leaf_salt is not None:
        same("salt", o.leaf_salt.hex(), files["openings"]["leaf_salt"])
    same("openings of one leaf", o.leaf, Opening(unhex(files["openings"]["openings"][0]["opening"])).leaf)
    entries.head(o.content(0))
    for number in o.sections:
        if number and o.is_open(number):
            (entries.section_15 if number == 15 else entries.section)(o.content(number))


def check_merge(x, _):
    one, other = Opening(unhex(x["one"])), Opening(unhex(x["other"]))
    for a, b in ((one, other), (other, one)):
        same("merged", entries.merged(a, b, lambda n: x["erased"] >> n & 1).bytes().hex(), x["merged"])
    again = Opening(unhex(x["merged"]))
    same("merged again", entries.merged(again, one, lambda n: x["erased"] >> n & 1).bytes().hex(), x["merged"])


def tree_leaves(n):
    return [sha(i.to_bytes(4, "big")) for i in range(n)]


def check_root(x, _):
    same(f"root over {x['count']}", root(tree_leaves(x["count"])).hex(), x["root"])


def check_proof(x, _):
    leaves = tree_leaves(x["count"])
    proof = [unhex(h) for h in x["proof"]]
    same("root", root(leaves).hex(), x["root"])
    known = [leaves[m] for m in x["members"]]
    same("proven root", entries.proven(x["count"], x["members"], known, proof).hex(), x["root"])
    same("proof", entries.prove(leaves, x["members"]), proof)


def check_bad_proof(x, _):
    same("root", root(tree_leaves(7)).hex(), x["root"])
    known = [sha(m.to_bytes(4, "big")) for m in x["members"]]
    proof = [unhex(h) for h in x["refused_proof"].split()]
    try:
        need(entries.proven(x["count"], x["members"], known, proof).hex() == x["root"], "tree")
    except Refused as e:
        return same(x["what"], e.reason, x["reason"])
    raise Wrong(f"{x['what']} is accepted")


def check_piece(x, _):
    same("length", entries.piece_fits(x["size"], x["index"], x["length"]), True)
    leaf = sha(b"\x09", bytes([x["fill"]]) * x["length"])
    same("leaf", leaf.hex(), x["leaf"])
    count, proof = entries.pieces(x["size"]), [unhex(h) for h in x["proof"]]
    same("root", entries.proven(count, [x["index"]], [leaf], proof).hex(), x["root"])


def check_bad_piece(x, _):
    same(x["what"], entries.piece_fits(x["size"], x["index"], x["length"]), False)


PLATFORM_TYPES = {
    "standard": (0, "cityanddistricts"), "organisation": (0, "cityanddistricts"), "region": (0, "city"),
    "route": (0, "cityanddistricts"), "authority": (0, "city"), "person_key": (0, "city"), "link": (1, "nodes"),
    "assignment": (1, "nodes"), "docket": (1, "nodes"), "act.": (1, "nodes"), "grant": (1, "nodes"),
    "intent": (1, "nodes"), "refusal": (2, "nodes"), "audit_seal": (2, "nodes"),
}  # fmt: skip


def check_type(x, _):
    same(x["record_type"], PLATFORM_TYPES[x["record_type"]], (x["lane"], x["stated_by"]))


def check_builtin(x, _):
    o = Opening(unhex(x["opening"]))
    same("leaf", o.leaf.hex(), x["leaf"])
    shown = entries.head(o.content(0))
    same("head", shown, x["head"])
    same("record type", shown["record_type"], x["record_type"])
    rule = "act." if x["record_type"].startswith("act.") else x["record_type"]
    same("lane", PLATFORM_TYPES[rule][0], x["lane"])
    r = Bytes(unhex(shown["key"])[1:])
    same("key columns", [entries.value(r) for _ in range(r.number(1))], x["key_columns"])
    stated = [{"number": n, "fields": entries.section(o.content(n))} for n in o.sections if n not in (0, 15)]
    same("sections", stated, x["sections"])
    if 15 in o.sections:
        entries.section_15(o.content(15))


def check_case(x, _):
    same("case", entries.case_id(x).hex(), x["id"])


def check_effect(x, _):
    numbers = x["term"].to_bytes(4, "big") + x["n"].to_bytes(4, "big") + x["k"].to_bytes(2, "big")
    same("effect", sha(b"\6", unhex(x["case"]), numbers).hex(), x["id"])


def check_act(x, _):
    same("act", sha(b"\x0c", unhex(x["case"]), string(1, x["token"]))[:16].hex(), x["id"])


def check_record(x, _):
    of = entries.record_parts(x)
    same("bucket", sha(of)[0], x["bucket"])
    term = sha(b"\x0b", of, unhex(x["version"]), x["mask"].to_bytes(2, "big"), string(1, x["region"]))
    same("term", term.hex(), x["term"])


def check_statement_term(x, _):
    data = unhex(x["reference"])
    whole(data, reading.ref)
    same("term", sha(b"\x0a", data).hex(), x["term"])


def check_sum(x, _):
    terms = [sha(b"\x0a", unhex(r)) for r in x["references"]] + [unhex(x["further_term"])]
    total = sum(int.from_bytes(t, "big") for t in terms) % 2**256
    same("sum", total.to_bytes(32, "big").hex(), x["sum"])


def check_standard(x, _):
    same("standard", entries.standard(x).hex(), x["bytes"])
    same("hash", sha(b"\x08", unhex(x["bytes"]))[:16].hex(), x["hash"])


# ---- statements.json --------------------------------------------------------------------------------------------------

def shown(kind, s):
    """An object as the vectors show it."""
    out = {k: (str(v) if k == "instant" else hexed(v)) for k, v in s.items()}
    if kind in (10, 13):
        out = {"holder" if kind == 10 else "node": out.pop("seat")} | out
    if kind == 1:
        out.pop("seat")
    return out


def check_object(x, _):
    e = Envelope(unhex(x["envelope"]))
    same("reference", hexed(e.reference), x["reference"])
    same("object", shown(e.kind, whole(e.bytes, objects.OBJECTS[e.kind])), x["reads"])
    required = [(1, unhex(key)) for key in x["required"]]
    kept = e.canonical(required)
    same("canonical", kept and kept.hex(), x["envelope"])


def listed_keys(all_):
    return [(suite, use, unhex(b)) for suite, use, b in all_]


def listed_sigs(all_):
    return [(suite, unhex(b)) for suite, b in all_]


def check_possession(x, _):
    keys = listed_keys(x["keys"])
    data = objects.possession_bytes(unhex(x["seat"]), unhex(x["authority"]), put_keys(keys))
    same("bytes", data.hex(), x["bytes"])
    hashed = object_hash(1, 3, 1, data)
    same("possession", hashed.hex(), x["object_hash"])
    same("is possessed", sigs_verify(listed_sigs(x["possession"]), keys, hashed), True)
    former = [(1, 1, unhex(x["former"]))] if x["former"] else []
    same("consent", sigs_verify(listed_sigs(x["consent"]), former, hashed), True)


def check_presence(x, _):
    data = unhex(x["seat"]) + unhex(x["exporter"])
    same("bytes", data.hex(), x["bytes"])
    hashed = object_hash(1, 11, 1, data)
    same("presence", hashed.hex(), x["object_hash"])
    same("is present", sigs_verify(listed_sigs(x["signatures"]), [(1, 1, unhex(x["public"]))], hashed), True)


def check_canonical(x, _):
    kept = Envelope(unhex(x["unjudged_envelope"])).canonical(signing(whole(unhex(x["keys_text"]), reading.keys)))
    same(x["what"], kept.hex() if kept else "none", x["kept"])


def check_canonical_root(x, _):
    e = Envelope(unhex(x["unjudged_envelope"]))
    required = objects.root_required(whole(e.bytes, objects.root_version), e)
    if x["former_text"] != "none":
        by_former = objects.root_required(whole(unhex(x["former_text"]), objects.root_version), e)
        required = None if None in (required, by_former) else required + by_former
    kept = e.canonical(required) if required is not None else None
    same(x["what"], kept.hex() if kept else "none", x["kept"])


# ---- batches.json -----------------------------------------------------------------------------------------------------


def check_batch(x, files):
    at = files["batches"]["batches"].index(next(b for b in files["batches"]["batches"] if b is x))
    before = [Envelope(unhex(b["envelope"])).reference for b in files["batches"]["batches"][:at]]
    opened = Envelope(unhex(files["batches"]["opening"]))
    key = unhex(files["batches"]["key"])
    e = Envelope(unhex(x["envelope"]))
    same("reference", hexed(e.reference), x["reference"])
    kept = e.canonical([(1, key)])
    same("signed", kept and kept.hex(), x["envelope"])
    h = objects.header(e.bytes)
    same("header", hexed(h), x["reads"])
    opening = whole(opened.bytes, objects.epoch_opening)
    same("next", directory.follows(h, opened.reference, opening, before), True)
    body = Body(unhex(x["body"]), h["groups"])
    same("every leaf", body.has_every_leaf(), True)
    same("whole", body.is_whole(lambda *_: False), True)
    for index, o in body.openings.items():
        same("leaf salt", o.leaf_salt, sha(unhex(x["secret"]), index.to_bytes(4, "big"))[:16])
        entries.head(o.content(0))
    base, groups = 0, []
    for g in h["groups"]:
        leaves = [body.openings[i].leaf for i in range(base, base + g[1])]
        base += g[1]
        same("group root", root(leaves), g[2])
        groups.append({"leaves": hexed(leaves), "root": g[2].hex(), "table_leaf": objects.table_leaf(g).hex()})
    same("groups", groups, x["groups"])


def check_batches_opening(x, files):
    e = Envelope(unhex(x))
    whole(e.bytes, objects.epoch_opening)
    kept = e.canonical([(1, unhex(files["batches"]["key"]))])
    same("opening is signed", kept and kept.hex(), x)


def first_body(files):
    return Body(unhex(files["batches"]["batches"][0]["body"]), first_groups(files))


def check_cut(x, files):
    sealed, groups = first_body(files), first_groups(files)
    part = Body(unhex(x["body"]), groups)
    same("indexes", list(part.openings), x["indexes"])
    keep = lambda n, why: why or (0 if x["keep"] >> n & 1 else 1)
    openings = {i: sealed.openings[i].rewritten(keep) for i in x["indexes"]}
    same("cut", objects.put_body(groups, openings, [sealed]).hex(), x["body"])


def check_body_merge(x, files):
    groups, masks = first_groups(files), dict(x["erased"])
    one, other = Body(unhex(x["one"]), groups), Body(unhex(x["other"]), groups)
    erased = lambda i, _, n: masks.get(i, 0) >> n & 1
    for a, b in ((one, other), (other, one)):
        same("merged", objects.merge_bodies(groups, a, b, erased).hex(), x["merged"])


# ---- words.json, logs.json, unread.json -------------------------------------------------------------------------------


class Scene:
    """A directory, with names for references and seats."""

    def __init__(self, file):
        self.seats = {s["name"]: unhex(s.get("seat", s.get("seat_text"))) for s in file["seats"]}
        self.refs = {}
        first = Envelope(unhex(file["base"][0]["envelope"]))
        self.directory = directory.Directory(first)
        for step in file["base"]:
            self.say(step)

    def clone(self):
        out = copy.copy(self)
        out.begin = self.directory
        out.directory, out.refs = copy.copy(self.directory), dict(self.refs)
        out.directory.statements = dict(self.directory.statements)
        out.directory.chain_of_roots = list(self.directory.chain_of_roots)
        out.directory.unread = set(self.directory.unread)
        return out

    def say(self, step):
        data = unhex(step.get("envelope") or step["unjudged_envelope"])
        e = Envelope(data)
        if e.suite == 1:
            same("reference", hexed(e.reference), step["reference"])
            self.refs[step["say"]] = e.reference
        answer, kept = self.directory.admit(e)
        same(step["say"], self.in_names(answer, step), step["answer"])
        if kept is not None:
            same(f"{step['say']}: what is kept", kept.hex(), step.get("kept", data.hex()))

    def in_names(self, answer, step):
        """Hexadecimal references and seats as the names that the vectors use."""
        words, last = answer.rsplit(" ", 1) if " " in answer else ("", answer)
        if words == "waits: statement":
            names = [n for n, r in self.refs.items() if r.hex() == last]
            said = step["answer"][len(words) + 1 :]
            # a reference that was never presented has no name
            return f"{words} {said if said in names else names[0]}" if names else words
        names = [n for n, s in self.seats.items() if s.hex() == last]
        return f"{words} {names[0]}" if names else answer

    def ref(self, name):
        return self.refs.get(name, reading.NONE)

    def named(self, ref, name):
        """The name that the vectors give, if it is one of this reference."""
        return name if ref == (None if name == "none" else self.refs.get(name)) else str(ref and ref.hex())

    def ask(self, q):
        d = self.directory
        seat = self.seats.get(q.get("seat"))
        if q["ask"] in ("may speak", "newest"):
            found = d.may_speak(seat) if q["ask"] == "may speak" else d.newest(seat)
            got = self.named(found, q["answer"])
        elif q["ask"] == "binds":
            got = self.named(d.binds(seat, q["lane"], q["counter"], q["sequence"]), q["answer"])
        elif q["ask"] == "root in force":
            got = self.named(d.chain_of_roots[-1], q["answer"])
        elif q["ask"] == "contested roots":
            roots = {r for r, _ in d.of_kind(1)} - set(d.chain_of_roots)
            got = q["answer"] if roots == {self.refs[n] for n in q["answer"]} else hexed(list(roots))
        elif q["ask"] == "opening":
            got = d.opening_standing(self.ref(q["opening"]))
        elif q["ask"] == "decision":
            found = d.decision(seat, q["what"], q["lane"], self.ref(q["opening"]), q["place"])
            got = self.named(found[0] if found else None, q["answer"])
        elif q["ask"] == "declared lost":
            got = int(d.declared_lost(self.ref(q["opening"]), q["lane"], q["sequence"], q["safeguarded"]))
        elif q["ask"] == "erased":
            at = (q["lane"], self.ref(q["opening"]), q["sequence"], q["index"], unhex(q["leaf_text"]))
            got = d.erased(seat, *at)
        elif q["ask"] == "owes in full":
            got = int(d.owes(self.seats[q["holder"]], self.seats[q["origin"]]))
        elif q["ask"] == "chain":
            chain = d.chain([self.seats[s] for s in q["seats"]])
            got = q["answer"] if chain == {self.refs[n] for n in q["answer"]} else hexed(list(chain))
        elif q["ask"] == "replaces":
            got = int(directory.replaces(q["new"], q["stored"], q["by_holder"], q["void"]))
        elif q["ask"] == "receipt":
            got = d.judge_receipt(Envelope(unhex(q.get("envelope") or q["unjudged_envelope"])))
        elif q["ask"] == "place":
            got = self.place(q)
        else:
            got = self.ask_log(q)
        same(f"{q['ask']} {q.get('what', '')}", got, q["answer"])

    def place(self, q):
        ref = self.ref(q["opening"])
        opening = self.directory.get(ref, 5)
        # asked of the directory with which the case begins
        word, reason, lanes = directory.place(self.begin, ref, opening, q["held"], q["owes"], q["forks"])
        same("reason", reason, q["reason"])
        same("lanes", lanes, q["lanes"])
        return word

    def ask_log(self, q):
        d = self.directory
        if q["ask"] == "header":
            e = Envelope(unhex(q.get("envelope") or q["unjudged_envelope"]))
            answer, blame, reason = d.judge_header(e)
            same(f"{q['what']}: fault", blame, q["blame"])
            same(f"{q['what']}: reason", reason, q["reason"])
            return self.in_names(answer, {"answer": ""})
        if q["ask"] == "next":
            opening = self.ref(q["opening"])
            held = [unhex(h) for h in q["held_text"].split()]
            h = objects.header(unhex(q["header_text"]))
            return int(directory.follows(h, opening, d.get(opening, 5), held))
        e = Envelope(unhex(q["envelope"]))
        same("header stands", d.judge_header(e)[0], "stands")
        h = objects.header(e.bytes)
        if q["ask"] == "body":
            try:
                Body(unhex(q["body"]), h["groups"])
            except Refused as refused:
                return refused.blame or "relay"
            return "verifies"
        body = Body(unhex(q["body"]), h["groups"])
        if q["ask"] == "whole":
            at = (h["seat"], h["lane"], h["opening"], h["sequence"])
            same("every leaf", int(body.has_every_leaf()), q["every_leaf"])
            return int(body.is_whole(lambda i, leaf, n: d.erased(*at, i, leaf) >> n & 1))
        same("asked", q["ask"], "adds")
        held = None if q["held"] == "nothing" else Body(unhex(q["held"]), h["groups"])
        added = objects.addition(h["groups"], held, body, lambda i, leaf, n: q["erased"] >> n & 1)
        return added.hex() if added else "nothing"


@functools.lru_cache(maxsize=None)
def scene_of(name):
    return Scene(FILES[name])


FILES = {}


def case_of(name):
    def check(x, _):
        scene = scene_of(name).clone()
        for step in x["steps"]:
            scene.say(step) if "say" in step else scene.ask(step)

    return check


def base_of(name):
    def check(x, files):
        Scene({"seats": files[name]["seats"], "base": [x if s["say"] == x["say"] else s for s in files[name]["base"]]})

    return check


def seat_of(name):
    def check(x, files):
        if "seat" in x:
            of = next(s for s in files[name]["base"] if s["say"] == x["name"])
            same(x["name"], Envelope(unhex(of["envelope"])).seat.hex(), x["seat"])

    return check


# ---- frames.json, codes.json, exchange.json ---------------------------------------------------------------------------


def check_frame(x, _):
    reads, rest = conversation.frame(unhex(x["bytes"]))
    same(x["what"], hexed(reads), x["reads"])
    same("rest", rest, b"")


def check_longer(x, _):
    reads, rest = conversation.frame(unhex(x["bytes"] + x["later"]))
    same(x["what"], hexed(reads), x["reads"])
    same("rest", rest.hex(), x["later"])
    same("later", x["later"], "010203")


def check_want(x, _):
    reads = conversation.whole_want(unhex(x["bytes"]))
    same(x["what"], hexed(reads), x["reads"])
    same("understood", int(conversation.is_understood(reads)), x["understood"])


def check_item(x, _):
    data = unhex(x["bytes"])
    reads = conversation.whole_item(data)
    same(x["what"], hexed(reads), x["reads"])
    same("weight", 64 + len(data) - 5, x["weight"])
    same("classes", conversation.IN_FEED.get(reads["item"], [0, 1, 2]), x["classes"])
    same("page", int(reads["item"] not in conversation.NOT_IN_PAGE), x["page"])


def check_code(x, _):
    reads, content = conversation.code(x["code"])
    reads["secret_hash"] = sha(unhex(reads["secret"])).hex()
    same("code", reads, x["reads"])
    same("content", content.hex(), x["content"])
    same("written", conversation.written(content), x["code"])


def check_typed(x, _):
    same(x["typed"], conversation.code(x["typed"])[1], conversation.code(x["code"])[1])


def check_mistyped(x, _):
    try:
        conversation.code(x["typed"])
    except conversation.Mistyped as e:
        return same(x["what"], [e.reason, e.group], [x["reason"], x["group"]])
    raise Wrong(f"{x['what']} is a code")


def check_exchange(x, _):
    frames = conversation.NEWCOMER if x["from"] == "newcomer" else conversation.SERVER
    same(x["what"], hexed(conversation.exchange(unhex(x["bytes"]), frames)), x["reads"])


def check_later_greeting(x, _):
    read = conversation.exchange(unhex(x["bytes"] + x["unjudged_envelope"]), conversation.NEWCOMER)
    same("version", read["version"], x["version"])


def judge_proof(x):
    proof = conversation.exchange(unhex(x.get("proof") or x["unjudged_envelope"]), conversation.SERVER)
    authority, issuer, exporter = [unhex(x[k]) for k in ("authority_text", "issuer_text", "exporter_text")]
    all_ = [Envelope(b) for b in proof["envelopes"]]
    roots = [e for e in all_ if e.kind == 1 and e.suite == 1 and e.hash.startswith(authority)]
    if not roots:
        return "authority"
    d, waiting = directory.Directory(roots[0]), all_
    while True:
        left = [e for e in waiting if d.admit(e)[0].startswith("waits")]
        if len(left) == len(waiting):
            break
        waiting = left
    if not proof["seat"].startswith(issuer):
        return "another seat"
    by = d.get(d.may_speak(proof["seat"]), 2)
    if by is None:
        return "identity"
    if not by["admits"]:
        return "admits nobody"
    present = sigs_verify(proof["presence"], by["keys"], object_hash(1, 11, 1, proof["seat"] + exporter))
    return "holds" if present else "presence"


def check_proof_holds(x, _):
    same(x["what"], judge_proof(x), x["answer"])


def judge_request(x):
    """(code, what the former keys say)."""
    data = unhex(x.get("request") or x["unjudged_envelope"])
    r = conversation.exchange(data, conversation.NEWCOMER)
    same("title and types", [r["title"], r["types"]], [x["title"], x["types"]])
    if sha(r["secret"]).hex() != x["secret_hash_text"]:
        return 1, "none"
    seat, exporter = unhex(x["seat_text"]), unhex(x["exporter_text"])
    possession = directory.possession_hash(seat, unhex(x["authority_text"]), r["keys"])
    proven = r["seat"] == seat and (x["kind"] == 3 or (1, 2) in [k[:2] for k in r["keys"]])
    proven = proven and sigs_verify(r["possession"], r["keys"], possession)
    if not proven or not sigs_verify(r["presence"], r["keys"], object_hash(1, 11, 1, seat + exporter)):
        return 5, "none"
    if x["used_by_text"] not in ("nobody", sha(put_keys(r["keys"])).hex()):
        return 3, "none"
    former = whole(unhex(x["former_text"]), reading.keys) if x["former_text"] else None
    if former is None or former == r["keys"]:
        return (5, "none") if r["consent"] else (0, "same keys")
    said = directory.consent(r["consent"], former, possession)
    return {"full": (0, "agreed"), "not full": (0, "not agreed"), "bad": (5, "none")}[said]


def check_request(x, _):
    same(x["what"], judge_request(x), (x["code"], x["consent"]))


CHECKS = {
    "keys": {"keys": check_key, "lists": check_list, "sigs": check_sigs, "signatures": check_signature,
             "bad_signatures": check_bad_signature},
    "names": {"texts": check_text, "inside": check_inside, "permits": check_permits},
    "values": {"accepted": check_value},
    "record_keys": {"keys": check_record_key, "persons": check_person},
    "heads": {"hints": check_hint, "subjects": check_subject, "names": check_subject_name, "heads": check_head,
              "sections_15": check_section_15},
    "openings": {"openings": check_opening, "merges": check_merge},
    "trees": {"roots": check_root, "proofs": check_proof, "bad_proofs": check_bad_proof, "pieces": check_piece,
              "bad_pieces": check_bad_piece},
    "builtin": {"types": check_type, "entries": check_builtin},
    "ids": {"cases": check_case, "effects": check_effect, "acts": check_act, "records": check_record,
            "statements": check_statement_term, "sums": check_sum, "standards": check_standard},
    "statements": {"objects": check_object, "possessions": check_possession, "presences": check_presence,
                   "canonical": check_canonical, "canonical_roots": check_canonical_root},
    "batches": {"batches": check_batch, "cuts": check_cut, "merges": check_body_merge},
    **{name: {"seats": seat_of(name), "base": base_of(name), "cases": case_of(name)}
       for name in ("words", "logs", "unread")},
    "frames": {"frames": check_frame, "longer": check_longer, "wants": check_want, "items": check_item},
    "codes": {"codes": check_code, "typed": check_typed, "mistyped": check_mistyped},
    "exchange": {"frames": check_exchange, "later_greetings": check_later_greeting, "proofs": check_proof_holds,
                 "requests": check_request},
}  # fmt: skip

# members that are no list: what all examples of the file are checked with
SINGLE = {("openings", "leaf_salt"), ("batches", "opening"), ("batches", "key")}
