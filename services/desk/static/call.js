// Beside a call: the preview in fixed slots, and the red band, which only a person ends.

export function follow(call, composing, save) {
  const shown = document.getElementById("preview");
  const count = document.getElementById("count");
  let timer = 0;
  let begun = 0;
  let asked = null;
  let held = null; // the danger that was heard, until the operator ends it
  let told = "";
  let late = 0;

  const set = (name, value) => { call.elements[name].value = value; save(call); };

  function ask(band, sentence) {
    const line = document.createElement("p");
    line.className = "small ask";
    line.append(sentence);
    for (const [text, act] of [["仍按紧急", stay], ["取消紧急", drop]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "second";
      button.textContent = text;
      button.addEventListener("click", act);
      line.append(" ", button);
    }
    band.append(line);
  }
  // What proved the danger goes into the ticket, so that it is judged as urgent as it was heard.
  function stay() {
    if (held.dataset.kept) set("heard", `（来电人先前说：“${held.dataset.kept}”）`);
    shown.querySelector(".ask")?.remove();
    held.dataset.stays = "yes";
    call.elements.text.focus();
  }
  function drop() {
    held = null;
    told = "";
    set("heard", "");
    call.elements.text.focus();
    look();
  }
  function band(fresh) {
    const weaker = held?.dataset.danger.startsWith("P0") && !fresh.dataset.danger?.startsWith("P0");
    if (fresh.dataset.danger && !weaker) {
      held = fresh.cloneNode(true);
      if (fresh.dataset.danger !== told) fresh.setAttribute("role", "alert");
      told = fresh.dataset.danger;
    } else if (held) {
      const stays = held.dataset.stays;
      const again = held.cloneNode(true);
      fresh.replaceWith(again);
      if (!stays) ask(again, "unknown" in fresh.dataset ? "判断服务没有应答，红条保留。" : "现在的文字里没有危险了。");
    }
    const button = shown.querySelector("[data-transferred]");
    if (button && call.elements.transferred.value === button.dataset.transferred) mark(button);
  }
  function mark(button) { button.textContent = "已转接 ✓"; button.setAttribute("aria-pressed", "true"); }
  shown.addEventListener("click", (event) => {
    const button = event.target.closest("[data-transferred]");
    if (!button) return;
    set("transferred", button.dataset.transferred);
    mark(button);
    call.elements.text.focus();
  });

  function say(sentence) { const line = document.getElementById("missing"); if (line) line.textContent = sentence; }
  async function look() {
    begun = 0;
    asked?.abort();
    const mine = asked = new AbortController();
    clearTimeout(late);
    late = setTimeout(() => say("比平时慢，可以继续写。"), 3000);
    try {
      const answer = await fetch(call.dataset.preview, { method: "POST", body: new URLSearchParams(new FormData(call)), signal: mine.signal, headers: { "X-Part": "preview" } });
      const text = await answer.text();
      if (mine !== asked) return;
      if (answer.ok) { shown.innerHTML = text; band(shown.querySelector(".band")); }
      else say(answer.status === 401 ? text : "判断服务没有应答，请照常登记；提交后会自动分类。");
    } catch (error) {
      if (error.name === "AbortError") return;
      say("连不上服务器，内容已存在本页。恢复后自动再试，请勿关闭。");
      timer = setTimeout(look, 5000);
    } finally {
      if (mine === asked) clearTimeout(late);
    }
  }
  // A moment after the last key, and every two seconds while somebody types on.
  function soon() {
    const length = call.elements.text.value.length;
    const over = length - 4000;
    count.textContent = `已写 ${length.toLocaleString("zh-CN")} 字${over > 0 ? `，超出 ${over.toLocaleString("zh-CN")} 字` : ""}`;
    clearTimeout(timer);
    begun ||= Date.now();
    timer = setTimeout(() => { if (composing()) soon(); else look(); }, Math.max(0, Math.min(600, 2000 - (Date.now() - begun))));
  }
  call.addEventListener("input", soon);
  addEventListener("online", () => { if (call.elements.text.value) look(); });
  if (call.elements.text.value) soon();
  const phone = call.elements.phone;
  phone.addEventListener("blur", () => {
    phone.value = phone.value.normalize("NFKC").replace(/[\s-]/g, "").replace(/^\+?86(?=1\d{10}$)/, "");
    if (phone.value) soon();
  });
}
