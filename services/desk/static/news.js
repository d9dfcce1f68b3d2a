// News of the queue: one stream for all tabs of a browser, told as text first, as sound where the browser lets it.
// What rings is asked of the server (the strip); nothing is decided here.

const LOST = 45000; // three beats
const AGAIN = 20; // seconds between two tones
const TONES = 90;

const strip = document.getElementById("strip");
const alarm = document.getElementById("alarm");
const line = document.getElementById("news");
const link = document.getElementById("link");
const here = document.getElementById("here");
const switched = document.getElementById("sound");

// Sound: tones are laid out ahead on the audio clock, since the timers of hidden tabs slow down.
let audio = null;
let ringing = null;
let quietUntil = 0;

function tone(times) {
  const source = audio.createOscillator();
  const volume = audio.createGain();
  source.frequency.value = 880;
  volume.gain.value = 0;
  for (let n = 0; n < times; n += 1) {
    const at = audio.currentTime + 0.05 + n * AGAIN;
    volume.gain.setValueAtTime(0.2, at);
    volume.gain.setValueAtTime(0, at + 0.4);
  }
  source.connect(volume).connect(audio.destination);
  source.start();
  source.stop(audio.currentTime + 1 + (times - 1) * AGAIN);
  source.onended = () => { if (ringing === source) ringing = null; };
  return source;
}
function hush() { ringing?.stop(); ringing = null; }
function ring(wanted) {
  if (!wanted || Date.now() < quietUntil) { hush(); return; }
  if (audio?.state === "running" && !ringing) ringing = tone(TONES);
}
function told() {
  const heard = audio?.state === "running";
  switched.textContent = heard ? "提醒声：开" : audio ? "浏览器没有允许发声，点这里开启" : "开启提醒声并试听";
}
async function unlock(test) {
  audio ??= new AudioContext();
  if (test) await audio.resume();
  told();
  if (audio.state === "running") { sessionStorage.setItem("sound", "on"); if (test && !ringing) tone(1); }
}

function count() { return Number(strip.querySelector("[data-count]")?.dataset.count ?? 0); }

export function listen(address, tick) {
  const me = crypto.getRandomValues(new Uint32Array(1))[0];
  const tabs = new BroadcastChannel("hotline news");
  const fresh = new Set();
  let cursor = strip.querySelector("[data-cursor]").dataset.cursor;
  const open = new Map(); // which case each tab shows: those others are told of
  let source = null;
  let heard = Date.now();
  let lostAt = 0;
  let pause = 1000;
  let again = 0;
  let mine = false;
  let over = false;
  let asking = 0;

  // The strip as the server has it now; a new danger is read out once.
  let before = count();
  function shown() {
    const now = count();
    document.title = document.title.replace(/^\(紧急 \d+\) /, "");
    if (now) document.title = `(紧急 ${now}) ${document.title}`;
    if (now > before) alarm.textContent = [...strip.querySelectorAll("a")].map((danger) => danger.textContent).join("；");
    before = now;
    const mute = strip.querySelector("[data-mute]");
    if (mute) mute.hidden = !(mine && audio);
    tick();
    if (mine) ring(now > 0); else hush();
  }
  function refresh() {
    clearTimeout(asking);
    asking = setTimeout(async () => {
      try {
        const answer = await fetch("/alerts", { headers: { "X-Part": "strip" } });
        if (answer.status === 401) ended();
        if (answer.ok) { strip.innerHTML = await answer.text(); shown(); }
      } catch { /* the stream says that the connection is lost */ }
    }, 200);
  }
  function news(told) {
    if (told.open) fresh.add(told.whistle || told.number);
    if (line && fresh.size) {
      line.querySelector("span").textContent = `新到 ${fresh.size} 件`;
      line.querySelector("a").hidden = false;
    }
    refresh();
  }

  // One tab has the stream: the newest takes it, and what it hears the others hear from it.
  function say(kind, told) { tabs.postMessage({ from: me, kind, told, cursor }); }
  function take() {
    mine = true;
    open.clear();
    if (here) open.set(me, here.dataset.number);
    say("mine");
    clearTimeout(again);
    again = setTimeout(connect, 150); // the other tabs say meanwhile what they show
  }
  function present(told) { if (here && here.dataset.number in told) here.textContent = told[here.dataset.number]; }
  function leave(text) { mine = false; source?.close(); source = null; clearTimeout(again); hush(); link.textContent = text; shown(); }
  tabs.onmessage = ({ data }) => {
    heard = Date.now();
    cursor = data.cursor || cursor;
    if (data.kind === "mine") { leave("提醒由另一标签页接收"); if (here) say("shows", here.dataset.number); }
    else if (data.kind === "shows" && mine) open.set(data.from, data.told);
    else if (data.kind === "closed" && mine) { if (open.delete(data.from)) connect(); }
    else if (data.kind === "here") present(data.told);
    else if (data.kind === "news") news(data.told);
    else if (data.kind === "left" && !mine) again = setTimeout(take, 200 + Math.random() * 800);
  };
  addEventListener("pagehide", () => { if (mine) { source?.close(); say("left"); } else if (here) say("closed"); });
  addEventListener("pageshow", (event) => { if (event.persisted) { refresh(); take(); } });

  function alive() { heard = Date.now(); if (lostAt) { lostAt = 0; refresh(); } link.textContent = "连接正常"; }
  function connect() {
    clearTimeout(again);
    source?.close();
    const cases = [...new Set(open.values())].slice(-8).map((number) => `&case=${encodeURIComponent(number)}`).join("");
    source = new EventSource(`${address}?after=${encodeURIComponent(cursor)}${cases}`);
    const on = (name, act) => source.addEventListener(name, act);
    on("beat", () => { pause = 1000; alive(); say("beat"); });
    on("news", (event) => {
      alive();
      cursor = event.lastEventId || cursor;
      const told = JSON.parse(event.data);
      say("news", told);
      news(told);
    });
    on("here", (event) => { const told = JSON.parse(event.data); say("here", told); present(told); });
    on("over", ended);
    on("reset", () => { source.close(); link.textContent = "队列已重建，请刷新"; });
    on("error", lost);
  }
  function ended() {
    if (over) return;
    over = true;
    source?.close();
    hush();
    link.textContent = "登录已过期，不再接收提醒";
    if (audio?.state === "running") tone(1);
  }
  function lost() {
    source.close();
    if (over) return;
    lostAt ||= Date.now();
    refresh(); // which tells whether the session has ended
    again = setTimeout(connect, pause);
    pause = Math.min(30000, pause * 2);
  }
  setInterval(() => {
    if (lostAt) link.textContent = `已断开 ${Math.round((Date.now() - lostAt) / 1000)} 秒，列表可能不是最新，正在重连`;
    if (over || Date.now() - heard < LOST) return;
    heard = Date.now();
    lostAt ||= Date.now();
    take();
  }, 1000);
  addEventListener("online", () => { if (mine && lostAt) { pause = 1000; connect(); } });

  switched.hidden = false;
  switched.addEventListener("click", async () => { await unlock(true); shown(); });
  strip.addEventListener("click", (event) => {
    if (!event.target.closest("[data-mute]")) return;
    quietUntil = Date.now() + 120000;
    hush();
    setTimeout(() => shown(), 120500);
  });
  if (sessionStorage.getItem("sound")) unlock(false);
  take();
  shown();
}
