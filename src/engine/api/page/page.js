"use strict";
// Everything from outside becomes text, never markup: elements are made one by one, and no page is written as a string.
(function () {
  const EVERY = 3000;
  const SVG = "http://www.w3.org/2000/svg";
  const id = (name) => document.getElementById(name);
  const shown = new Map();
  let token = sessionStorage.getItem("token") || "";
  let paused = false;
  let timer = 0;
  let round = 0;

  // What acts instead of being seen is shown as an escape, as everywhere in keyhound.
  const ACTS = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
  const text = (value) => String(value).replace(ACTS, (c) => "\\u{" + c.codePointAt(0).toString(16) + "}");

  function add(parent, children) {
    for (const child of children.flat(Infinity)) {
      if (child === null || child === undefined || child === "") continue;
      parent.append(child instanceof Node ? child : document.createTextNode(text(child)));
    }
    return parent;
  }
  function el(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [attribute, value] of Object.entries(attributes || {})) made.setAttribute(attribute, value);
    return add(made, children);
  }
  function svg(name, attributes, ...children) {
    const made = document.createElementNS(SVG, name);
    for (const [attribute, value] of Object.entries(attributes || {})) made.setAttribute(attribute, value);
    return add(made, children);
  }

  const usd = (value) => {
    const size = Math.abs(value);
    if (size > 0 && size < 0.01) return "<$0.01";
    return "$" + value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  };
  const count = (value) => value.toLocaleString("en-US");
  const bytes = (value) => (value >= 1048576 ? (value / 1048576).toFixed(1) + " MiB" : Math.ceil(value / 1024) + " KiB");
  const when = (value) => (value ? value.replace("T", " ").replace(/\.\d+/, "") : "–");
  function lasting(seconds) {
    const days = Math.floor(seconds / 86400), hours = Math.floor(seconds / 3600) % 24, minutes = Math.floor(seconds / 60) % 60;
    if (days > 0) return days + " d " + hours + " h";
    if (hours > 0) return hours + " h " + minutes + " min";
    return minutes > 0 ? minutes + " min" : Math.max(0, Math.floor(seconds)) + " s";
  }
  const many = (value, what) => count(value) + " " + what + (value === 1 ? "" : "s");
  const severity = (name) => el("span", { class: "sev sev-" + (/^[a-z]+$/.test(name) ? name : "") }, name);
  const named = (it) => (it.api_key_alias ? it.api_key_alias + " (" + it.api_key_prefix + ")" : it.api_key_prefix);
  const keyLink = (it) => el("a", { href: "#key/" + encodeURIComponent(it.key_id) }, named(it));

  function bars(values, kind, label, titles) {
    const most = Math.max(...values, 0);
    const width = kind === "spark" ? 7 : 10, height = 22;
    const drawn = svg("svg", { class: kind, viewBox: "0 0 " + width * values.length + " " + height, preserveAspectRatio: "none", role: "img", "aria-label": label });
    values.forEach((value, at) => {
      const tall = most > 0 && value > 0 ? Math.max(2, (value / most) * height) : 1;
      const bar = svg("rect", { x: at * width, y: height - tall, width: width - 1, height: tall, class: value > 0 ? "some" : "none" });
      if (titles) bar.append(svg("title", null, titles[at]));
      drawn.append(bar);
    });
    return drawn;
  }
  const spark = (key) => bars(key.hour_usd, "spark", "Last hour by five minutes: " + usd(key.hour_cost_usd) + ", at most " + usd(Math.max(...key.hour_usd, 0)));

  function table(caption, columns, rows, none) {
    if (rows.length === 0) return el("p", { class: "soft" }, none);
    const head = el("tr", null, columns.map(([name, style]) => el("th", { scope: "col", class: style || "" }, name)));
    const body = rows.map((cells) => el("tr", null, cells.map((cell, at) => el("td", { class: columns[at][1] || "" }, cell))));
    return el("div", { class: "card", role: "region", "aria-label": caption, tabindex: "0" },
      el("table", null, el("caption", { class: "away" }, caption), el("thead", null, head), el("tbody", null, body)));
  }

  // Puts something in its place, if it is another than before; what had the focus keeps it.
  function put(place, data, make) {
    const said = JSON.stringify(data);
    if (shown.get(place) === said) return;
    shown.set(place, said);
    const where = id(place);
    const focus = where.contains(document.activeElement) ? document.activeElement : null;
    const mark = focus && focus.getAttribute("href");
    const made = make(data);
    where.replaceChildren(...(Array.isArray(made) ? made : [made]).filter(Boolean));
    if (mark) for (const link of where.querySelectorAll("a")) if (link.getAttribute("href") === mark) { link.focus({ preventScroll: true }); break; }
  }

  function facts([status, keys]) {
    const fact = (name, value, hot) => el("div", { class: "fact" + (hot ? " hot" : "") }, el("b", null, value), el("span", null, name));
    const alerts = status.alerts_open, input = status.input;
    return [
      fact("open incidents", count(status.incidents_open), status.incidents_open > 0),
      fact("open alerts, high or critical", count(alerts.high + alerts.critical), alerts.high + alerts.critical > 0),
      fact("spent on the newest day, all keys", usd(keys.all.day_cost_usd)),
      fact("keys", count(status.state.keys)),
      fact("behind the clock", input.lag_seconds === null ? "–" : lasting(input.lag_seconds)),
      fact("records rejected", count(input.rejected), input.rejected > 0),
    ];
  }
  function incidents(list) {
    const rows = list.events.map((it) => [
      [severity(it.severity), el("div", { class: "soft" }, it.status)],
      [el("a", { href: "#incident/" + encodeURIComponent(it.id) }, named(it)), el("div", { class: "soft" }, it.description)],
      [usd(it.cost_usd)],
      [it.score === null ? "–" : it.score.toFixed(1)],
      [when(it.updated_at)],
    ]);
    const rest = list.count > list.events.length ? el("p", { class: "soft" }, "and " + count(list.count - list.events.length) + " more") : null;
    return [table("Incidents", [["Severity"], ["Key and what happens"], ["Spent", "n"], ["Nats", "n wide"], ["Updated", "t wide"]], rows, "No incident is kept. Where [incidents] is not enabled, there are alerts only."), rest];
  }
  function open(it) {
    const alerts = it.alerts_open, all = alerts.low + alerts.medium + alerts.high + alerts.critical;
    const parts = [];
    if (it.incidents_open > 0) parts.push(el("span", { class: "sev sev-high" }, many(it.incidents_open, "incident")));
    if (all > 0) parts.push(el("div", { class: alerts.critical + alerts.high > 0 ? "sev sev-high" : "soft" }, many(all, "alert")));
    return parts.length > 0 ? parts : ["–"];
  }
  function keys(list) {
    const rows = list.keys.map((it) => [
      [keyLink(it)],
      [spark(it)],
      [usd(it.hour_cost_usd)],
      [usd(it.day_cost_usd)],
      [it.typical_day_cost_usd === null ? "–" : usd(it.typical_day_cost_usd)],
      open(it),
      [when(it.last_use)],
    ]);
    return table("Keys by " + list.by, [["Key", "who"], ["Last hour"], ["$ hour", "n wide"], ["Newest day", "n"], ["Typical day", "n wide"], ["Open"], ["Last use", "t wide"]], rows, list.looked_at ? "No key is known yet." : "Keys have not been looked at yet.");
  }
  function alerts(list) {
    const rows = list.events.map((it) => [[severity(it.severity), el("div", { class: "soft" }, it.status)], [it.alert_type, el("div", { class: "soft" }, it.description)], [keyLink(it)], [when(it.updated_at)]]);
    return table("Latest alerts", [["Severity"], ["Alert"], ["Key"], ["Updated", "t wide"]], rows, "No alert is kept.");
  }
  function ledger(terms) {
    const most = Math.max(...terms.map((term) => Math.abs(term.nats)), 1);
    const rows = terms.map((term) => {
      const wide = (Math.abs(term.nats) / most) * 60;
      const bar = svg("svg", { class: "nats", viewBox: "0 0 120 10", "aria-hidden": "true" },
        svg("rect", { class: term.nats < 0 ? "minus" : "plus", x: term.nats < 0 ? 60 - wide : 60, y: 0, width: wide, height: 10 }));
      return [[term.term.replaceAll("_", " ")], [(term.nats > 0 ? "+" : "") + term.nats.toFixed(2)], [bar], [String(term.observed)], [String(term.expected)]];
    });
    return table("Ledger", [["Term"], ["Nats", "n"], ["", "wide"], ["Seen", "n"], ["Of the owner", "n"]], rows, "No ledger.");
  }
  function timeline(moments) {
    if (moments.length === 0) return el("p", { class: "soft" }, "Nothing was told of it yet.");
    // Between the first word and the last one only the numbers change.
    const last = new Map(moments.map((it, at) => [it.id, at]));
    return el("div", { class: "card" }, el("ol", { class: "time" }, moments.map((it, at) => {
      const link = it.event === "incident" ? el("a", { href: "#incident/" + encodeURIComponent(it.id) }, "incident") : el("b", null, it.alert_type);
      return el("li", null, el("span", { class: "t" }, when(it.at)), severity(it.severity), " ", link, " " + it.status + (it.revision > 0 ? ", revision " + it.revision : "") + ", " + (it.requests === null ? "" : many(it.requests, "request") + ", ") + usd(it.cost_usd),
        it.revision === 0 || last.get(it.id) === at ? el("p", { class: "soft" }, it.description) : null);
    })));
  }
  const names = (values) => (values && values.length > 0 ? values.join(", ") : "–");
  const facing = (rows) => el("div", { class: "card" }, el("dl", null, rows.filter(Boolean).map(([name, value]) => [el("dt", null, name), el("dd", null, value)])));
  function incident(found) {
    const it = found.incident;
    return [
      el("p", { class: "lead" }, it.description),
      facing([
        ["Key", keyLink({ ...it, api_key_alias: it.api_key_alias || "" })], ["Status", it.status + ", " + it.severity + ", " + it.class],
        ["First record", when(it.timestamp)], ["Detected", when(it.detected_at)], ["Updated", when(it.updated_at)],
        ["Requests", count(it.requests) + ", " + usd(it.cost_usd)],
        ["Addresses", names(it.evidence.source_ips)],
        ["Request ids", el("span", { class: "mono" }, names(it.evidence.request_ids.slice(-12)) + (it.evidence.request_ids.length > 12 ? ", and " + (it.evidence.request_ids.length - 12) + " before" : ""))],
        it.reason ? ["Reason", it.reason] : null,
      ]),
      el("h3", null, "Evidence: " + it.score.toFixed(1) + " nats, where " + it.threshold.toFixed(1) + " are enough"),
      ledger(it.ledger),
      el("h3", null, "What to do"), el("ul", null, it.next_steps.map((step) => el("li", null, step))),
      el("h3", null, "Told"), timeline(found.revisions),
      el("h3", null, "Alerts beside it"), alerts({ events: found.alerts }),
    ];
  }
  function key(found) {
    const it = found.key, days = found.days;
    const consumers = found.consumers.map((who) => [
      [who.source_ips.length > 0 ? who.source_ips.slice(0, 3).map((ip) => el("div", { class: "w" }, ip)) : "–", el("div", { class: "soft" }, [who.network, who.new.length > 0 ? "new " + who.new.join(", ") : ""].filter(Boolean).join("; "))],
      [count(who.records)], [usd(who.cost_usd)], [who.score.toFixed(1)], [when(who.first)], [when(who.last)],
      [who.incident_id ? el("a", { href: "#incident/" + encodeURIComponent(who.incident_id) }, who.incident_status) : "–"],
    ]);
    const owner = found.owner ? many(found.owner.records, "record") + " since " + when(found.owner.first) + "; " + many(found.owner.networks, "network") + ", " + many(found.owner.clients, "client") : null;
    return [
      facing([
        ["Fingerprint", el("span", { class: "mono" }, it.key_id)],
        ["Last hour", el("span", null, spark(it), " " + usd(it.hour_cost_usd))],
        ["Newest day", usd(it.day_cost_usd) + (it.typical_day_cost_usd === null ? "" : ", typically " + usd(it.typical_day_cost_usd))],
        ["Thirty days", usd(found.month_cost_usd)],
        ["Ever", usd(it.cost_usd) + ", " + many(it.requests, "request")],
        ["Models", names(found.models)], ["Addresses", count(found.addresses)], ["Last use", when(it.last_use)],
        owner ? ["Owner", owner] : null, found.canary ? ["Canary", "nobody may use it"] : null, found.revoked_at ? ["Revoked", when(found.revoked_at)] : null,
      ]),
      days.length > 1 ? el("h3", null, "Dollars by day, " + days[0].day + " to " + days[days.length - 1].day) : null,
      days.length > 1 ? el("div", { class: "card" }, bars(days.map((day) => day.cost_usd), "days", "Dollars by day", days.map((day) => day.day + ": " + usd(day.cost_usd) + ", " + many(day.requests, "request")))) : null,
      found.consumers.length > 0 ? el("h3", null, "Who else uses it") : null,
      found.consumers.length > 0 ? table("Consumers", [["From"], ["Records", "n"], ["Spent", "n"], ["Nats", "n"], ["First", "t wide"], ["Last", "t wide"], ["Incident"]], consumers, "") : null,
      el("h3", null, "Timeline"), timeline(found.timeline),
    ];
  }
  function health(status) {
    const input = status.input, state = status.state;
    return [
      facing([
        ["Read", count(input.lines) + " lines, " + bytes(input.bytes)],
        ["Records", count(input.processed) + " processed, " + count(input.duplicate) + " duplicate, " + count(input.late) + " late, " + count(input.rejected) + " rejected"],
        ["Latest record", when(input.latest)], ["Complete up to", when(input.watermark)],
        ["Latency", (input.latency_p99_seconds * 1000).toFixed(1) + " ms (99 %)"],
        ["Memory", bytes(state.bytes) + " of " + bytes(state.bytes_max) + " for keys" + (state.resident_bytes ? ", " + bytes(state.resident_bytes) + " in all" : "")],
        state.keys_evicted > 0 ? ["Given way", many(state.keys_evicted, "new key")] : null,
        input.failed_inputs > 0 ? ["Failed inputs", count(input.failed_inputs)] : null,
        status.checkpoint ? ["Checkpoint", when(status.checkpoint.at) + ", " + bytes(status.checkpoint.bytes) + (status.checkpoint.disk_full ? "; the disk is full" : "")] : null,
        status.kafka ? ["Kafka", many(status.kafka.partitions, "partition") + ", " + many(status.kafka.lag, "record") + " to read"] : null,
        ["Since", when(status.started_at)],
      ]),
      status.rejects.length > 0 ? table("Rejects by reason", [["Rejected because"], ["Records", "n"]], status.rejects.map((it) => [[it.reason.replaceAll("_", " ")], [count(it.count)]]), "") : null,
      status.sinks.length > 0 ? table("Sinks", [["Sink"], ["Waiting", "n"], ["Delivered", "n"], ["Failed", "n"], ["State"]], status.sinks.map((it) => [[it.name], [count(it.waiting)], [count(it.delivered)], [count(it.failed)], [it.full ? severity("high") : null, it.full ? " full, reading waits" : it.failing ? "failing" : "well"]]), "") : null,
    ];
  }

  class Gone extends Error {}
  async function get(path) {
    const headers = token ? { Authorization: "Bearer " + token } : {};
    const response = await fetch("/api/v1/" + path, { headers, cache: "no-store" });
    if (response.status === 401) { ask(); throw new Gone("token"); }
    const body = await response.json();
    if (!response.ok) throw new Gone(body.error || response.status);
    return body;
  }
  function ask() {
    token = "";
    sessionStorage.removeItem("token");
    id("all").hidden = true;
    if (id("token").hidden) { id("token").hidden = false; id("secret").focus(); } else { id("word").textContent = "That is not the token."; }
  }
  const wanted = () => location.hash.slice(1).split("/").map(decodeURIComponent);
  async function detail() {
    const [kind, which] = wanted();
    const is = kind === "key" || kind === "incident";
    id("one").hidden = !is;
    if (!is) return;
    const mark = kind + "/" + which;
    try {
      const found = await get((kind === "key" ? "keys/" : "incidents/") + encodeURIComponent(which));
      if (mark !== wanted().join("/")) return;
      put("h-one", [kind, found.key || found.incident], ([, it]) => document.createTextNode((kind === "key" ? "Key " : "Incident of ") + text(named({ ...it, api_key_alias: it.api_key_alias || "" }))));
      put("detail", [mark, kind === "key" ? { ...found, looked_at: null } : found], ([, it]) => (kind === "key" ? key(it) : incident(it)));
    } catch (error) {
      if (!(error instanceof Gone)) throw error;
      if (token || error.message !== "token") { put("h-one", mark, () => document.createTextNode("Not there")); put("detail", [mark, error.message], ([, why]) => el("p", null, why)); }
    }
  }
  async function refresh() {
    const mine = ++round;
    const by = document.querySelector("input[name=by]:checked").value;
    try {
      const [status, list, cases, told] = await Promise.all([get("status"), get("keys?by=" + by), get("incidents?limit=20"), get("alerts?limit=15")]);
      if (mine !== round) return;
      id("token").hidden = true;
      id("all").hidden = false;
      id("word").textContent = "";
      id("own").textContent = "version " + status.version + ", up " + lasting(status.uptime_seconds) + (status.ready ? "" : ", reading history") + ", as of " + when(list.as_of);
      document.title = (status.incidents_open > 0 ? "(" + status.incidents_open + ") " : "") + "keyhound";
      put("facts", [status, list], facts);
      put("incidents", cases, incidents);
      put("keys", { ...list, looked_at: Boolean(list.looked_at) }, keys);
      put("alerts", told, alerts);
      put("health", status, health);
      await detail();
    } catch (error) {
      if (error instanceof Gone && error.message === "token") return;
      id("word").textContent = error instanceof Gone ? text(error.message) : "keyhound does not answer; what is shown is from before.";
    }
  }
  function again() {
    clearTimeout(timer);
    if (paused || document.hidden) return;
    refresh().finally(() => { clearTimeout(timer); timer = setTimeout(again, EVERY); });
  }
  id("pause").addEventListener("click", () => {
    paused = !paused;
    id("pause").setAttribute("aria-pressed", String(paused));
    again();
  });
  id("token").addEventListener("submit", (event) => {
    event.preventDefault();
    token = id("secret").value.trim();
    id("secret").value = "";
    sessionStorage.setItem("token", token);
    id("word").textContent = "";
    again();
  });
  for (const by of document.querySelectorAll("input[name=by]")) by.addEventListener("change", () => refresh());
  addEventListener("hashchange", () => detail().then(() => {
    if (id("one").hidden) return;
    id("one").scrollIntoView();
    id("h-one").focus({ preventScroll: true });
  }));
  document.addEventListener("visibilitychange", again);
  again();
})();
