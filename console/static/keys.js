// Keyboard: `/` search, `j` `k` rows, `Enter` open, `?` the list of keys. All optional: every step also works by Tab.

const rows = () => [...document.querySelectorAll("[data-rows] tbody tr")];
const linkOf = (row) => row.querySelector("a[data-open]") ?? row.querySelector("a[href]");
let at = -1;

function move(step) {
  const all = rows();
  if (all.length === 0) return;
  all[at]?.classList.remove("at");
  const focused = document.activeElement?.closest?.("tr");
  const from = focused && all.includes(focused) ? all.indexOf(focused) : at;
  at = Math.min(Math.max(from + step, 0), all.length - 1);
  all[at].classList.add("at");
  const link = linkOf(all[at]);
  if (link) link.focus();
  else all[at].scrollIntoView({ block: "nearest" });
}

function typing(target) {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
  const help = document.getElementById("keys");
  if (help?.open) return;
  switch (event.key) {
    case "/": {
      const box = document.querySelector("input[type=search]");
      if (box) {
        event.preventDefault();
        box.focus();
        box.select();
      } else if (document.body.dataset.search) {
        event.preventDefault();
        location.assign(document.body.dataset.search);
      }
      break;
    }
    case "j":
      move(1);
      break;
    case "k":
      move(-1);
      break;
    case "Enter": {
      const row = rows()[at];
      if (row && (event.target === document.body || event.target === row)) linkOf(row)?.click();
      break;
    }
    case "?":
      help?.showModal?.();
      break;
    default:
  }
});

for (const opener of document.querySelectorAll("[data-keys]")) {
  opener.addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("keys")?.showModal?.();
  });
}
