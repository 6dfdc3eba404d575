// Keeps the table of nodes fresh: asks for the same figures as JSON, with the entity tag of the last answer, and writes the
// changed cells. Rows are never re-ordered under the pointer. When the node does not answer, the page says how old it is.

const table = document.querySelector("[data-refresh]");
const stamp = document.getElementById("as-of");
const notice = document.getElementById("changed");
const every = 5000;
let tag = "";
let shown = stamp?.dataset.clock ?? "";

function write(cell, text) {
  if (cell && cell.textContent !== text) cell.textContent = text;
}

function show(row, party) {
  for (const cell of row.querySelectorAll("[data-f]")) {
    write(cell, String(party[cell.dataset.f] ?? ""));
  }
  const state = row.querySelector("[data-state]");
  if (state && state.dataset.state !== party.state.code) {
    state.dataset.state = party.state.code;
    state.className = `tag s-${party.state.code}`;
    write(state.querySelector(".shape"), party.state.shape);
    write(state.querySelector(".word"), party.state.word);
  }
}

function apply(health) {
  const parties = new Map(health.parties.map((party) => [party.id, party]));
  const present = [...table.querySelectorAll("tr[data-id]")];
  let missing = health.parties.length;
  for (const row of present) {
    const party = parties.get(row.dataset.id);
    if (party) {
      show(row, party);
      missing -= 1;
    } else {
      missing += 1;
    }
  }
  for (const tally of health.tallies) {
    const figure = document.querySelector(`[data-tally="${tally.state.code}"]`);
    write(figure, String(tally.count));
    figure?.closest("li").classList.toggle("none", tally.count === 0);
  }
  if (notice && missing > 0) {
    notice.querySelector("a").textContent = `节点与代理有 ${missing} 处增减，点击载入`;
    notice.classList.add("shown");
  }
}

async function ask() {
  try {
    const headers = tag ? { "If-None-Match": tag } : {};
    const answer = await fetch(table.dataset.refresh, { headers, cache: "no-store", credentials: "same-origin" });
    if (answer.status === 401) {
      location.reload();
      return;
    }
    if (answer.status !== 304) {
      if (!answer.ok) throw new Error(String(answer.status));
      apply(await answer.json());
      tag = answer.headers.get("ETag") ?? "";
    }
    shown = answer.headers.get("Zongheng-As-Of") ?? shown;
    stamp.classList.remove("stale");
    write(stamp, `${shown} 的数据，每 5 秒更新`);
  } catch {
    stamp.classList.add("stale");
    write(stamp, `${shown} 的数据，节点暂无应答，正在重试`);
  }
  setTimeout(ask, document.hidden ? every * 6 : every);
}

if (table && stamp) setTimeout(ask, every);
