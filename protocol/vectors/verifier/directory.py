"""What counts: taking statements up, identities in force, openings that stand, whose fault something is. Part 2 of the text."""
from .objects import (
    STATEMENTS, feed_head, header, header_front, object_hash, possession_bytes, receipt, root_required,
)  # fmt: skip
from .reading import NONE, Fault, Refused, is_inside, put_keys, signing, sigs_verify, whole
from .entries import root
from . import ed25519

CITY, DISTRICT, DEPARTMENT = 1, 2, 3
OPENINGS_PER_IDENTITY, BESIDE, AHEAD, UNREAD_SEATS = 4096, 16, 16, 4096


class Outcome(Fault):
    """Why a statement is not taken up."""


def possession_hash(seat, authority, keys):
    return object_hash(1, 3, 1, possession_bytes(seat, authority, put_keys(keys)))


def consent(given, former, message):
    """Full, not full, or bad."""
    if sigs_verify(given, former, message):
        return "full"
    required = dict(signing(former))
    for suite, signature in given:
        if suite not in required:
            return "bad"
        if suite == 1 and not ed25519.signed(required[1], message, signature):
            return "bad"
    return "not full"


class Directory:
    def __init__(self, root):
        """Trusts an envelope of root version 1."""
        self.authority = root.reference
        self.statements = {}  # everything that was taken up, by reference: (kind, what it reads as)
        self.chain_of_roots = [self.authority]
        self.unread = set()
        reads = whole(root.bytes, STATEMENTS[1])
        if reads["version"] != 1 or root_required(reads, root) is None:
            raise Outcome("relay: signature")
        self.statements[self.authority] = (1, reads)

    # ---- what is held

    def of_kind(self, kind):
        return [(ref, s) for ref, (k, s) in self.statements.items() if k == kind]

    def get(self, ref, kind):
        found = self.statements.get(ref)
        return found[1] if found and found[0] == kind else None

    def identities(self, seat, serial=None):
        return [(r, i) for r, i in self.of_kind(2) if i["seat"] == seat and serial in (None, i["serial"])]

    def openings(self, seat, counter=None):
        return [(r, o) for r, o in self.of_kind(5) if o["seat"] == seat and counter in (None, o["counter"])]

    def kind(self, seat):
        of_seat = self.identities(seat)
        return of_seat[0][1]["kind"] if of_seat else None

    def admitted_by(self, seat, issuer_seat):
        firsts = [self.get(i["issuer"], 2) for _, i in self.identities(seat, 1)]
        return any(by and by["seat"] == issuer_seat for by in firsts)

    # ---- taking up

    def admit(self, envelope):
        """What becomes of an envelope: the answer, and the canonical bytes if it is taken up or known."""
        try:
            known, kept = self._admit(envelope)
            return "known" if known else "taken up", kept
        except Outcome as e:
            return str(e), None

    def _admit(self, e):
        if not e.is_read():
            raise Outcome(self.judge_unread(e, remember=True))
        if e.kind not in STATEMENTS:
            raise Outcome("relay: kind")
        try:
            s = whole(e.bytes, STATEMENTS[e.kind])
        except Refused:
            signed = self.judge_unread(e).startswith("kept")
            raise Outcome("origin: malformed" if signed else "relay: malformed")
        kept = self.canonical(e, s)
        if kept is None:
            raise Outcome("relay: signature")
        if e.reference in self.statements:
            return True, kept
        getattr(self, "permit_" + NAMES[e.kind])(s)
        if e.kind == 1 and self.chain_of_roots[-1] == s["former"]:
            self.chain_of_roots.append(e.reference)
        self.keep(e.kind, e.reference, s)
        return False, kept

    def keep(self, kind, ref, s):
        """Of some statements only the greatest is kept; the others are known all the same."""
        place = {4: lambda s: (s["seat"], s["issuer"]), 6: self.closing_place, 7: self.decision_place}.get(kind)
        self.statements[ref] = (kind, s)
        if place is None:
            return
        same = [(o["serial"], r) for r, o in self.of_kind(kind) if place(o) == place(s)]
        for serial, r in same:
            if (serial, r) != max(same):
                self.statements[r] = (None, None)

    def closing_place(self, s):
        return s["opening"], self.get(s["identity"], 2)["seat"] == s["seat"]

    def decision_place(self, s):
        return s["seat"], s["what"], s["lane"], s["opening"], s["place"], s["issuer"]

    def signer(self, ref):
        """An identity, or a root version."""
        found = self.get(ref, 2) or self.get(ref, 1)
        if found is None:
            raise Outcome("waits: statement " + ref.hex())
        return found

    def canonical(self, e, s):
        if e.kind == 1:
            if s["version"] == 1:
                own = root_required(s, e)
                return e.canonical(own) if own is not None and e.reference == self.authority else None
            former = self.get(s["former"], 1)
            if former is None:
                raise Outcome("waits: statement " + s["former"].hex())
            own, by_former = root_required(s, e), root_required(former, e)
            return None if own is None or by_former is None else e.canonical(own + by_former)
        if e.kind in (5, 6):
            by = self.get(s["identity"], 2)
            if by is None:
                raise Outcome("waits: statement " + s["identity"].hex())
        else:
            by = self.signer(s["issuer"])
        required = signing(by["keys"]) if "serial" in by else root_required(by, e)
        return None if required is None else e.canonical(required)

    def permit_root(self, s):
        former = self.get(s["former"], 1)
        if former is None or former["version"] + 1 != s["version"]:
            raise Outcome("origin: root version")

    def permit_identity(self, s):
        by = self.signer(s["issuer"])
        by_root = "threshold" in by
        if by_root != (s["kind"] == CITY):
            raise Outcome("origin: root and city")
        if not by_root:
            if not by["admits"]:
                raise Outcome("origin: issuer does not admit")
            if by["kind"] == DISTRICT:
                if s["kind"] != DEPARTMENT:
                    raise Outcome("origin: issuer's kind")
                if not is_inside(s["jurisdiction"], by["jurisdiction"]):
                    raise Outcome("origin: jurisdiction")
                if s["node"] != by["seat"]:
                    raise Outcome("origin: not its node")
        if self.kind(s["seat"]) not in (None, s["kind"]):
            raise Outcome("origin: kind changed")
        above = by_root or by["kind"] == CITY
        if not above and self.kind(s["seat"]) and not self.admitted_by(s["seat"], by["seat"]):
            raise Outcome("origin: admitted by another")
        self.permit_serial(s, above)
        if not sigs_verify(s["possession"], s["keys"], possession_hash(s["seat"], self.authority, s["keys"])):
            raise Outcome("origin: possession")
        if s["kind"] == DEPARTMENT:
            kind = self.kind(s["node"])
            if kind is None:
                raise Outcome("waits: identity of " + s["node"].hex())
            if kind == DEPARTMENT:
                raise Outcome("origin: node is none")

    def permit_serial(self, s, above):
        if s["serial"] == 1:
            return
        outcome = Outcome(f"waits: serial {s['serial'] - 1}")
        for _, former in self.identities(s["seat"], s["serial"] - 1):
            try:
                return self.permit_keys(s, former, above)
            except Outcome as e:
                outcome = e
        raise outcome

    def permit_keys(self, s, former, above):
        if s["keys"] == former["keys"]:
            if s["consent"] or s["reason"]:
                raise Outcome("origin: reason not called for")
            return
        message = possession_hash(s["seat"], self.authority, s["keys"])
        said = consent(s["consent"], former["keys"], message)
        if said == "bad":
            raise Outcome("origin: consent")
        if said == "full" and s["reason"]:
            raise Outcome("origin: reason not called for")
        if said == "not full" and not (s["reason"] and above):
            raise Outcome("origin: reason missing")

    def authority_over(self, issuer, seat):
        by, about = self.signer(issuer), self.kind(seat)
        if "threshold" in by:
            if about is None:
                raise Outcome("waits: identity of " + seat.hex())
            over = about == CITY
        else:
            over = by["kind"] == CITY and about != CITY
        if not over:
            raise Outcome("origin: not over this seat")

    def permit_revocation(self, s):
        by = self.signer(s["issuer"])
        if "threshold" in by or not self.admitted_by(s["seat"], by["seat"]):
            self.authority_over(s["issuer"], s["seat"])
        if s["standing"]:
            of_seat = [i for _, i in self.identities(s["seat"])]
            if max([i["serial"] for i in of_seat], default=-1) < s["through"]:
                raise Outcome(f"waits: serial {s['through']}")
            if not any(i["admits"] for i in of_seat if i["serial"] <= s["through"]):
                raise Outcome("origin: standing of nobody")

    def permit_opening(self, s):
        if self.get(s["identity"], 2)["seat"] != s["seat"]:
            raise Outcome("origin: another seat")
        counters = [o["counter"] for _, o in self.openings(s["seat"]) if o["identity"] == s["identity"]]
        of_identity = sum(o["identity"] == s["identity"] for _, o in self.of_kind(5))
        following = self.reached(s["seat"]) + 1
        ahead = sum(c >= following for c in counters)
        skips = s["counter"] > following
        if of_identity >= OPENINGS_PER_IDENTITY or counters.count(s["counter"]) > BESIDE or (skips and ahead >= AHEAD):
            raise Outcome("nobody: quota")

    def permit_closing(self, s):
        opening = self.get(s["opening"], 5)
        if opening is None:
            raise Outcome("waits: statement " + s["opening"].hex())
        by = self.get(s["identity"], 2)
        if opening["seat"] != s["seat"] or (by["seat"] != s["seat"] and by["kind"] != CITY):
            raise Outcome("origin: another seat")
        if by["seat"] != s["seat"]:
            ends = [ends_of(r, s["opening"]) for _, r in self.of_kind(4) if r["seat"] == s["seat"]]
            if s["ends"] not in ends:
                raise Outcome("waits: revocation")
        elif max(o["counter"] for _, o in self.openings(s["seat"])) <= opening["counter"]:
            raise Outcome(f"waits: opening after {opening['counter']}")
        for _, kept in self.of_kind(6):
            if self.closing_place(kept) == self.closing_place(s):
                greater, lower = (s, kept) if s["serial"] > kept["serial"] else (kept, s)
                if s["serial"] == kept["serial"] or not contains(greater, lower):
                    raise Outcome("origin: closing contradicts")

    def permit_decision(self, s):
        self.authority_over(s["issuer"], s["seat"])

    permit_erasure = permit_decision

    def permit_activation(self, s):
        by = self.signer(s["issuer"])
        if by.get("kind") != CITY or "threshold" in by:
            raise Outcome("origin: not over this seat")

    # ---- who answers for what is not read

    def judge_unread(self, e, remember=False):
        """kept: and the seat that it is charged to; nobody: cannot be checked; relay: unread."""
        seat = e.seat
        if seat is None:
            return "relay: unread"
        for signer, key in self.keys_over(seat):
            if e.has(1, key):
                if remember and e.kind == 2 and len(self.unread) < UNREAD_SEATS:
                    self.unread.add(seat)
                known = seat == bytes(16) or self.kind(seat)
                return "kept: " + (seat if known else signer).hex()
        only_unread = seat in self.unread and not self.kind(seat)
        return "nobody: cannot be checked" if only_unread else "relay: unread"

    def keys_over(self, seat):
        over = set()

        def up(of):
            if self.kind(of) and of not in over:
                over.add(of)
                for ref, i in self.identities(of):
                    by = self.get(i["issuer"], 2)
                    if by and self.is_issued(ref, i):
                        up(by["seat"])

        up(seat)
        if not self.kind(seat):
            for other in {i["seat"] for _, i in self.of_kind(2)}:
                speaks = self.get(self.may_speak(other), 2)
                if speaks and (speaks["kind"] == CITY or (speaks["admits"] and seat != bytes(16))):
                    over.add(other)
        found = []
        for of in sorted(over):
            speaks = self.get(self.may_speak(of), 2)
            if speaks:
                found.append((of, dict(signing(speaks["keys"]))[1]))
        in_force = self.get(self.chain_of_roots[-1], 1)
        return found + [(bytes(16), key) for suite, key in in_force["keys"] if suite == 1]

    # ---- what counts

    def issuer_stands(self, issuer, ref):
        by = self.get(issuer, 2)
        if by is None:
            return issuer in self.chain_of_roots
        revocation = self.revoked(by)
        return self.is_issued(issuer, by) and (revocation is None or ref in revocation["standing"])

    def is_issued(self, ref, identity):
        return self.issuer_stands(identity["issuer"], ref)

    def revocation(self, seat):
        """(reference, revocation) that counts, or None."""
        of_seat = [(r, s) for r, s in self.of_kind(4) if s["seat"] == seat]
        order = lambda x: (self.issuer_stands(x[1]["issuer"], x[0]), x[1]["serial"], x[0])
        return max(of_seat, key=order) if of_seat else None

    def revoked(self, identity):
        found = self.revocation(identity["seat"])
        return found[1] if found and identity["serial"] <= found[1]["through"] else None

    def decision(self, seat, what, lane, opening, place):
        """(reference, decision) that counts, or None."""
        at = (seat, what, lane, opening, place)
        all_ = [(r, d) for r, d in self.of_kind(7) if self.decision_place(d)[:5] == at]
        all_ = [(r, d) for r, d in all_ if self.issuer_stands(d["issuer"], r)]
        return max(all_, key=lambda x: (x[1]["serial"], x[0])) if all_ else None

    def uncontested(self, seat, serial):
        issued = [r for r, i in self.identities(seat, serial) if self.is_issued(r, i)]
        decided = self.decision(seat, 3, 0, NONE, serial)
        if decided:
            return decided[1]["survivor"] if decided[1]["survivor"] in issued else None
        return issued[0] if len(issued) == 1 else None

    def serials(self, seat):
        return sorted({i["serial"] for _, i in self.identities(seat)}, reverse=True)

    def newest(self, seat):
        found = [self.uncontested(seat, serial) for serial in self.serials(seat)]
        return next((f for f in found if f), None)

    def may_speak(self, seat):
        newest = self.newest(seat)
        return newest if newest and self.revoked(self.get(newest, 2)) is None else None

    def binds(self, seat, lane, counter, sequence):
        for serial in self.serials(seat):
            ref = self.uncontested(seat, serial)
            if ref and self.get(ref, 2)["binds_from"][lane] <= (counter, sequence):
                return ref

    def reached(self, seat):
        counters = {o["counter"] for _, o in self.openings(seat)}
        n = 0
        while n + 1 in counters:
            n += 1
        return n

    def may_open(self, ref, opening):
        by = self.get(opening["identity"], 2)
        if by is None or not self.is_issued(opening["identity"], by):
            return False
        revocation = self.revoked(by)
        return revocation is None or ref in [log[1] for log in revocation["logs"]]

    def candidates(self, seat, counter):
        return [(r, o) for r, o in self.openings(seat, counter) if self.may_open(r, o)]

    def standing_openings(self, seat, counter):
        """(those that stand, those that are left though several)."""
        candidates = self.candidates(seat, counter)
        decided = self.decision(seat, 2, 0, NONE, counter)
        if decided:
            left = [r for r, _ in candidates if r == decided[1]["survivor"]]
        else:
            void = set()
            if any(r in o["void"] for _, o in self.candidates(seat, counter + 1) for r, _ in candidates):
                for r in self.standing_openings(seat, counter + 1)[0]:
                    void |= set(self.get(r, 5)["void"])
            left = [r for r, _ in candidates if r not in void]
        return (left, []) if len(left) <= 1 else ([], left)

    def opening_standing(self, ref):
        opening = self.get(ref, 5)
        if opening is None:
            return "unknown"
        if opening["counter"] > self.reached(opening["seat"]):
            return "skips"
        if not self.may_open(ref, opening):
            return "revoked"
        stand, left = self.standing_openings(opening["seat"], opening["counter"])
        return "stands" if ref in stand else "contested" if left else "void"

    def owes(self, holder, origin):
        by, of = self.get(self.newest(holder), 2), self.get(self.newest(origin), 2)
        if by is None:
            return False
        if by["kind"] == DISTRICT:
            return of is not None and of["node"] == holder
        return by["kind"] == CITY or holder == origin

    def closings(self, opening):
        return [c for r, c in self.of_kind(6) if c["opening"] == opening and self.issuer_stands(c["identity"], r)]

    def declared_lost(self, opening, lane, sequence, safeguarded):
        for c in self.closings(opening):
            within = any(l == lane and start <= sequence <= to for l, start, to, _ in c["lost"])
            if within and (c["asked"] or sequence > safeguarded):
                return True
        return False

    def erased(self, seat, lane, opening, sequence, index, leaf):
        mask = 0
        for r, e in self.of_kind(12):
            if e["seat"] == seat and self.issuer_stands(e["issuer"], r):
                for item in e["items"]:
                    if item[:5] == (lane, opening, sequence, index, leaf):
                        mask |= item[5]
        return mask

    def chain(self, seats):
        out, visited = set(self.chain_of_roots), set()

        def up(seat):
            if seat in visited:
                return
            visited.add(seat)
            for ref, i in self.identities(seat):
                out.add(ref)
                by = self.get(i["issuer"], 2)
                if by:
                    up(by["seat"])
                up(i["node"])

        for seat in seats:
            up(seat)
        words = []
        for seat in visited:
            found = [self.revocation(seat)]
            found += [self.decision(seat, 3, 0, NONE, serial) for serial in self.serials(seat)]
            words += [f for f in found if f]
        return out | {ref for ref, s in words if s["issuer"] in out}

    # ---- receipts and headers

    def judge_receipt(self, e):
        """Receipts and feed heads: counts, or why not."""
        if not e.is_read():
            return "unread"
        try:
            s = whole(e.bytes, receipt if e.kind == 10 else feed_head)
        except Refused:
            return "malformed"
        by = self.get(s["identity"], 2)
        if by is None:
            return "identity unknown"
        if e.canonical(signing(by["keys"])) is None or by["seat"] != s["seat"]:
            return "signature"
        if not self.is_issued(s["identity"], by) or self.revoked(by):
            return "revoked"
        if e.kind == 10:
            if by["kind"] == DEPARTMENT or not self.owes(s["seat"], s["origin"]):
                return "not a holder"
            opening = self.get(s["opening"], 5)
            if opening is None or opening["seat"] != s["origin"]:
                return "opening unknown"
        return "counts"

    def judge_header(self, e):
        """(answer, blame, reason)."""
        if e.kind != 9:
            return "malformed", "relay", 0
        if not e.is_read():
            answer = self.judge_unread(e)
            return answer, "relay" if answer.startswith("relay") else "nobody", 3
        try:
            at = header_front(e.bytes)
        except Refused:
            return "malformed", "relay", 0
        by = self.get(at["identity"], 2)
        if by is None:
            return "identity unknown", "nobody", 1
        if e.canonical(signing(by["keys"])) is None:
            return "signature", "relay", 0
        if by["seat"] != at["seat"]:
            own = self.get(self.may_speak(at["seat"]), 2)
            signed = own and e.canonical(signing(own["keys"])) is not None
            return ("may not be", "origin", 8) if signed else ("signature", "relay", 0)
        issued, revocation = self.is_issued(at["identity"], by), self.revoked(by)
        uncontested = self.uncontested(by["seat"], by["serial"]) == at["identity"]
        own_word = issued and revocation is None and uncontested
        bad = ("may not be", "origin", 8) if own_word else ("no word of the seat's", "nobody", 0)
        try:
            h = header(e.bytes)
        except Refused:
            return bad
        if h["opening"][0] != e.suite:
            return bad
        opening = self.get(h["opening"], 5)
        if opening is None:
            return "opening unknown", "nobody", 2
        if (opening["seat"], opening["counter"]) != (h["seat"], h["counter"]):
            return bad
        standing = self.opening_standing(h["opening"])
        if standing != "stands":
            reason = {"skips": 7, "contested": 6, "void": 6, "revoked": 9}[standing]
            return f"opening: {standing}", "nobody", reason
        if not issued or (revocation and not below(revocation, h, e.reference)):
            return "revoked", "nobody", 9
        decided = self.decision(h["seat"], 1, h["lane"], h["opening"], h["sequence"])
        if decided and decided[1]["survivor"] != e.reference:
            return "void", "origin", 5
        binding = self.get(self.binds(h["seat"], h["lane"], h["counter"], h["sequence"]), 2)
        if binding and signing(binding["keys"]) == signing(by["keys"]):
            return "stands", "nobody", 0
        return ("key no longer binds", "origin", 13) if uncontested else ("identity contested", "nobody", 15)


NAMES = {1: "root", 2: "identity", 4: "revocation", 5: "opening", 6: "closing", 7: "decision", 8: "activation",
         12: "erasure"}  # fmt: skip


def ends_of(revocation, opening):
    """True ends by lane that a revocation gives an epoch."""
    return [(lane, n, head) for lane, of, n, head in revocation["logs"] if of == opening]


def contains(greater, lower):
    inside = lambda x: any(o[0] == x[0] and o[1] <= x[1] and x[2] <= o[2] for o in greater["lost"])
    return all(inside(x) for x in lower["lost"])


def below(revocation, h, ref):
    """Whether a header lies at or below what a revocation lets stand of its log."""
    for lane, opening, sequence, last in revocation["logs"]:
        if (lane, opening) == (h["lane"], h["opening"]):
            return h["sequence"] < sequence or (h["sequence"], ref) == (sequence, last)
    return False


def replaces(new, stored, by_holder, void):
    """Whether a receipt replaces the stored one; both as [counter, life, durable, attached, safeguarded]."""
    if new[:2] != stored[:2]:
        return new[0] > stored[0] or (new[0] == stored[0] and by_holder)
    voided = lambda r: any(n and n in void for n in r[2:])
    if voided(stored):
        return not voided(new)
    pairs = list(zip(new[2:], stored[2:]))
    return all(n >= o for n, o in pairs) and any(n > o for n, o in pairs) and not voided(new)


def place(directory, ref, opening, held, owes, forks):
    """What an opening does at a holder: word, reason, lanes."""
    known = [r for r, _ in directory.openings(opening["seat"], opening["counter"])]
    greatest = directory.reached(opening["seat"])
    if ref in known:
        return "known", 0, []
    if opening["counter"] <= greatest or known:
        return "beside another", 6, []
    if opening["counter"] > greatest + 1:
        return "skips", 7, []
    last_known = {lane: n for lane, n, _ in opening["last_known"]}
    last = {lane: (n, which) for lane, n, which in held}
    lanes = []
    for lane in sorted(set(last) | set(last_known)):
        (have, which), said = last.get(lane, (0, "none")), last_known.get(lane, 0)
        if which == "other":
            lanes.append([lane, "voids"])
        elif have < said:
            lanes.append([lane, "waits for" if owes else "lacks", have + 1, said])
        else:
            lanes.append([lane, "agrees"] if have == said else [lane, "surplus", said + 1])
    words = [l[1] for l in lanes]
    kind = directory.get(directory.newest(opening["seat"]), 2)["kind"]
    if "voids" in words and kind == DEPARTMENT and forks >= 3:
        return "forks too often", 5, []
    return "taken in", 12 if "waits for" in words else 0, lanes


def follows(h, opening_ref, opening, held):
    """Whether a header is the next of its log in lane 2, given the references of those before."""
    log = (opening["seat"], 2, opening_ref, opening["counter"])
    previous = held[-1] if held else opening_ref
    history = root([ref[1:] for ref in held])
    got = (h["seat"], h["lane"], h["opening"], h["counter"], h["sequence"], h["previous"], h["history"])
    return got == (*log, len(held) + 1, previous, history)
