// What the pages do beyond plain forms: drafts, preview, clocks, keys, news. Nothing is decided here.

const page = document.documentElement;
const user = document.body.dataset.user;
const skew = Date.parse(page.dataset.now) - Date.now();
const now = () => Date.now() + skew;

// Input methods: a key that composes a character is no command.
let composing = false;
let composedAt = 0;
document.addEventListener("compositionstart", () => { composing = true; });
document.addEventListener("compositionend", () => { composing = false; composedAt = Date.now(); });
const typing = (event) => composing || event.isComposing || event.keyCode === 229 || Date.now() - composedAt < 100;

// Clocks: counted from the instant they are due, by the server's time.
function span(milliseconds) {
  const minutes = Math.floor(Math.abs(milliseconds) / 60000);
  const days = Math.floor(minutes / 1440);
  const hours = Math.floor(minutes / 60) % 24;
  if (days) return hours ? `${days} 天 ${hours} 小时` : `${days} 天`;
  if (hours) return `${hours} 小时 ${minutes % 60} 分`;
  return minutes ? `${minutes} 分` : "不足 1 分";
}
function tick() {
  for (const clock of document.querySelectorAll("[data-due]")) {
    const rest = Date.parse(clock.dataset.due) - now();
    const text = rest > 0 ? `还剩 ${span(rest)}` : `! 超时 ${span(rest)}`;
    const shown = clock.querySelector(".left");
    if (shown.textContent !== text) shown.textContent = text;
    if (!clock.classList.contains("clock")) continue;
    clock.classList.toggle("over", rest <= 0);
    if (rest <= 0) clock.classList.remove("ok", "soon");
    else if (clock.dataset.soon && now() >= Date.parse(clock.dataset.soon)) { clock.classList.remove("ok"); clock.classList.add("soon"); }
  }
}
setInterval(tick, 10000);

// Drafts: a copy of what is typed in this tab, until it is taken. Desks are shared, so nothing lasts longer.
const drafts = [...document.querySelectorAll("form[data-draft]")];
const place = (form) => `draft ${user} ${form.dataset.draft}`;
const SPOKEN = ["heard", "transferred"]; // hidden fields that a call fills
const kept = (field) => field.name && field.type !== "password" && (field.type !== "hidden" || SPOKEN.includes(field.name));
function save(form) {
  const values = {};
  for (const field of form.elements) {
    if (!kept(field)) continue;
    if (field.type === "checkbox" || field.type === "radio") { if (field.checked) values[field.name] = field.value; }
    else if (field.value) values[field.name] = field.value;
  }
  if (Object.keys(values).length) sessionStorage.setItem(place(form), JSON.stringify(values));
  const saved = document.getElementById("saved");
  if (saved && form.id === "call") saved.textContent = `草稿已存 ${new Date(now()).toLocaleTimeString("zh-CN", { hour: "2-digit", minute: "2-digit", timeZone: "Asia/Shanghai" })}`;
}
function restore(form) {
  const values = JSON.parse(sessionStorage.getItem(place(form)) || "{}");
  for (const field of form.elements) {
    if (!kept(field) || !(field.name in values)) continue;
    if (field.type === "checkbox" || field.type === "radio") field.checked = field.value === values[field.name];
    else if (!field.value) field.value = values[field.name];
  }
}
// A draft goes when its form was taken: not where an error, a refusal or the sign-in came instead.
const sent = sessionStorage.getItem("sent");
if (sent && !document.querySelector(".error, section.narrow")) sessionStorage.removeItem(sent);
sessionStorage.removeItem("sent");
for (const form of drafts) {
  restore(form);
  form.addEventListener("input", () => save(form));
}
for (const button of document.querySelectorAll("form[action='/logout'] button")) button.addEventListener("click", () => sessionStorage.clear());

// Forms are sent once, and only when somebody is there to take them; what cannot be taken back is asked first.
async function reach(form, button) {
  clearTimeout(form.retry);
  try {
    await fetch("/healthz", { cache: "no-store" });
  } catch {
    if (!form.querySelector(".unreached")) form.insertAdjacentHTML("afterbegin", '<p class="note unreached" role="alert">连不上服务器，内容已存在本页。恢复后自动再试，请勿关闭。</p>');
    form.retry = setTimeout(() => reach(form, button), 3000);
    return;
  }
  form.dataset.reached = "yes";
  form.requestSubmit(button);
}
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (form.dataset.sent) { event.preventDefault(); return; }
    if (form.dataset.draft && !form.dataset.reached) { event.preventDefault(); save(form); if (agreed(form)) reach(form, button); return; }
    if (!form.dataset.draft && !agreed(form, button)) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    if (form.dataset.draft) sessionStorage.setItem("sent", place(form));
    if (button) { button.setAttribute("aria-disabled", "true"); button.dataset.label = button.textContent; button.textContent = "提交中…"; }
  });
}
function agreed(form, button) {
  const chosen = form.querySelectorAll("[name=chosen]:checked").length;
  if (button?.dataset.chosen && !chosen) return false;
  const question = form.dataset.confirm || button?.dataset.ask || button?.dataset.chosen?.replace("{n}", chosen);
  return !question || window.confirm(question);
}
const picked = document.getElementById("picked");
document.getElementById("rows")?.addEventListener("change", (event) => {
  if (picked) picked.textContent = `已选 ${event.currentTarget.querySelectorAll("[name=chosen]:checked").length} 件`;
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) { delete form.dataset.sent; delete form.dataset.reached; }
  for (const button of document.querySelectorAll("button[aria-disabled]")) { button.removeAttribute("aria-disabled"); button.textContent = button.dataset.label; }
});

const call = document.querySelector("form[data-preview]");
if (call) import("./call.js").then((module) => module.follow(call, () => composing, save));

// Keys: few, and never while something is written or composed.
const rows = [...document.querySelectorAll("tr[data-open]")];
let at = -1;
document.addEventListener("keydown", (event) => {
  if (typing(event)) return;
  if (event.ctrlKey && event.key === "Enter") {
    const form = document.activeElement?.closest("form") || call;
    if (form) { event.preventDefault(); form.requestSubmit(); }
    return;
  }
  if (event.key === "F9") { event.preventDefault(); location.assign("/register"); return; }
  if (call && event.key === "F8") { event.preventDefault(); document.querySelector("[data-transferred]")?.click(); return; }
  if (call && event.key === "F2") { event.preventDefault(); call.elements.text.focus(); return; }
  if (call && event.key === "F4") { event.preventDefault(); call.elements.address.focus(); return; }
  if (event.target.closest?.("input, textarea, select, button") || event.ctrlKey || event.altKey || event.metaKey) return;
  if (rows.length && (event.code === "KeyJ" || event.code === "KeyK")) {
    rows[at]?.classList.remove("at");
    at = Math.min(rows.length - 1, Math.max(0, at + (event.code === "KeyJ" ? 1 : -1)));
    rows[at].classList.add("at");
    rows[at].querySelector("a")?.focus();
  } else if (rows[at] && event.code === "KeyX") {
    const box = rows[at].querySelector("input[type=checkbox]");
    if (box) box.checked = !box.checked;
  } else {
    const keyed = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    if (keyed) { event.preventDefault(); keyed.focus(); keyed.click(); }
  }
});

if (document.body.dataset.stream) import("./news.js").then((news) => news.listen(document.body.dataset.stream, tick));
document.querySelector(".error")?.focus();
