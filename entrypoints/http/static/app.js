"use strict";
// A plain client of the API in `/v1`. Text from documents and answers is only ever put in as text, never as HTML.

const $ = (id) => document.getElementById(id);
const state = { tokens: null, workspace: null, conversation: null, answer: null, cursor: null, following: new Set() };

function make(tag, props = {}, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
}

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

function keep(tokens) {
  state.tokens = tokens;
  if (tokens) sessionStorage.setItem("refresh", tokens.refresh_token);
  else sessionStorage.removeItem("refresh");
}

async function fail(response) {
  let problem = {};
  try { problem = await response.json(); } catch { /* not JSON: the status must do */ }
  const details = (problem.errors || []).map((e) => e.message).join(" ");
  const error = new Error(details || problem.detail || `The server answered ${response.status}.`);
  error.status = response.status;
  throw error;
}

let refreshing = null;
function refresh() {
  refreshing ??= (async () => {
    const token = state.tokens?.refresh_token ?? sessionStorage.getItem("refresh");
    if (!token) return false;
    const body = JSON.stringify({ refresh_token: token });
    const headers = { "Content-Type": "application/json" };
    const response = await fetch("/v1/auth/refresh", { method: "POST", headers, body });
    keep(response.ok ? await response.json() : null);
    return response.ok;
  })().finally(() => { refreshing = null; });
  return refreshing;
}

async function call(path, { json, headers = {}, ...rest } = {}, again = true) {
  const options = { ...rest, headers: { ...headers } };
  if (state.tokens) options.headers.Authorization = `Bearer ${state.tokens.access_token}`;
  if (json !== undefined) {
    options.method ??= "POST";
    options.body = JSON.stringify(json);
    options.headers["Content-Type"] = "application/json";
  }
  const response = await fetch(path, options);
  if (response.status === 401 && again && !path.startsWith("/v1/auth/") && await refresh()) {
    return call(path, { json, headers, ...rest }, false);
  }
  if (response.status === 401 && !path.startsWith("/v1/auth/")) show(false);
  return response.ok ? response : fail(response);
}

const inRoom = (path) => `/v1/workspaces/${state.workspace}/${path}`;
const data = async (path, options) => (await call(path, options)).json();

async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    buffer += value;
    for (let end; (end = buffer.indexOf("\n\n")) >= 0; buffer = buffer.slice(end + 2)) {
      const event = {};
      for (const line of buffer.slice(0, end).split("\n")) {
        const colon = line.indexOf(": ");
        if (colon > 0) event[line.slice(0, colon)] = line.slice(colon + 2);
      }
      if (event.event) yield { name: event.event, data: JSON.parse(event.data) };
    }
  }
}

function guarded(work) {
  return async (event) => {
    event?.preventDefault();
    notice("");
    try { await work(event); } catch (error) { notice(error.message); }
  };
}

function show(inside) {
  $("entrance").hidden = inside;
  $("room").hidden = !inside;
  $("who").hidden = !inside;
}

async function enter() {
  const me = await data("/v1/me");
  $("name").textContent = me.name;
  $("workspace").replaceChildren(...me.workspaces.map((w) => make("option", { value: w.id, textContent: w.name })));
  show(true);
  await choose(me.workspaces[0].id);
}

async function choose(workspace) {
  Object.assign(state, { workspace, conversation: null, answer: null });
  state.following.clear();
  $("answers").replaceChildren();
  $("results").replaceChildren();
  await list();
}

async function list(cursor = null) {
  const page = await data(inRoom(`documents?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`));
  if (!cursor) $("documents").replaceChildren();
  for (const document of page.items) row(document);
  state.cursor = page.next_cursor;
  $("more").hidden = !page.next_cursor;
}

function row(doc, first = false) {
  const remove = make("button", { type: "button", textContent: "Delete" });
  const download = make("button", { type: "button", textContent: "Download" });
  const line = make("tr", { id: `d-${doc.id}` }, make("td", { textContent: doc.title }), make("td"),
    make("td", {}, download, " ", remove));
  const old = $(line.id);
  if (old) old.replaceWith(line);
  else if (first) $("documents").prepend(line);
  else $("documents").append(line);
  remove.onclick = guarded(async () => {
    if (!confirm(`Delete "${doc.title}"?`)) return;
    await call(inRoom(`documents/${doc.id}`), { method: "DELETE" });
    line.remove();
  });
  download.onclick = guarded(async () => {
    const blob = await (await call(inRoom(`documents/${doc.id}/content`))).blob();
    const link = make("a", { href: URL.createObjectURL(blob), download: doc.filename });
    link.click();
    URL.revokeObjectURL(link.href);
  });
  status(doc);
  if (["queued", "processing"].includes(doc.status)) follow(doc.id).catch(() => {});
}

function status(doc) {
  const cell = $(`d-${doc.id}`)?.children[1];
  if (!cell) return;
  const percent = doc.status === "processing" ? ` ${doc.stage} ${Math.round(doc.progress * 100)} %` : "";
  cell.textContent = doc.error ? `failed: ${doc.error.message}` : doc.status + percent;
  cell.className = doc.error ? "failed" : "";
}

async function follow(id) {
  if (state.following.has(id)) return;
  state.following.add(id);
  try {
    for await (const event of eventsOf(await call(inRoom(`documents/${id}/events`)))) {
      if (event.data.id) status(event.data);
    }
  } finally { state.following.delete(id); }
}

async function openPage(documentId, title, page, quote) {
  const heading = $("page").querySelector("h3");
  const body = $("page").querySelector("pre");
  let text = quote;
  if (page) {
    try { text = (await data(inRoom(`documents/${documentId}/pages/${page}`))).text; } catch { /* the quote must do */ }
  }
  heading.textContent = page ? `${title}, page ${page}` : title;
  const at = text.indexOf(quote);
  body.replaceChildren(...(at < 0 ? [text] : [text.slice(0, at), make("mark", { textContent: quote }),
    text.slice(at + quote.length)]));
  $("page").showModal();
  body.querySelector("mark")?.scrollIntoView({ block: "center" });
}

function cited(article, message) {
  // Places are counted in code points, strings of JavaScript in UTF-16 units.
  const points = Array.from(message.content);
  const parts = [];
  let done = 0;
  for (const c of [...message.citations].sort((a, b) => a.to - b.to)) {
    const button = make("button", { type: "button", className: "citation", textContent: c.index + 1,
      title: `${c.document_title}: ${c.quote}` });
    button.onclick = () => openPage(c.document_id, c.document_title, c.page_from, c.quote);
    parts.push(points.slice(done, c.to).join(""), button);
    done = Math.max(done, c.to);
  }
  parts.push(points.slice(done).join(""));
  article.replaceChildren(...parts);
}

async function ask(event) {
  const form = event.target;
  const content = form.content.value;
  state.conversation ??= (await data(inRoom("conversations"), { json: {} })).id;
  const article = make("article");
  $("answers").append(make("h3", { textContent: content }), article);
  form.reset();
  $("stop").hidden = false;
  try {
    const path = inRoom(`conversations/${state.conversation}/messages`);
    const response = await call(path, { json: { content }, headers: { Accept: "text/event-stream" } });
    for await (const { name, data: told } of eventsOf(response)) {
      if (name === "message.created") state.answer = told.message.id;
      if (name === "content.delta") article.append(told.text);
      if (name === "message.completed" || name === "message.failed") cited(article, told.message);
      if (name === "message.failed") article.append(make("p", { className: "failed", textContent: told.error.message }));
    }
  } finally {
    $("stop").hidden = true;
    state.answer = null;
  }
}

async function search(event) {
  const found = await data(inRoom("search"), { json: { query: event.target.query.value } });
  if (!found.results.length) notice("Nothing was found.");
  $("results").replaceChildren(...found.results.map((result) => {
    const points = Array.from(result.text);
    const text = make("p");
    let done = 0;
    for (const [from, to] of result.highlights) {
      text.append(points.slice(done, from).join(""), make("mark", { textContent: points.slice(from, to).join("") }));
      done = to;
    }
    text.append(points.slice(done).join(""));
    const title = result.document.title + (result.page_from ? `, page ${result.page_from}` : "");
    const open = make("a", { href: "#", textContent: title });
    open.onclick = guarded(() => openPage(result.document.id, result.document.title, result.page_from, result.text));
    return make("li", {}, open, text);
  }));
}

async function upload(event) {
  for (const file of event.target.file.files) {
    const body = new FormData();
    body.append("file", file);
    row(await data(inRoom("documents"), { method: "POST", body }), true);
  }
  event.target.reset();
}

const members = (form) => Object.fromEntries(new FormData(form));

async function logIn(account) {
  keep(await data("/v1/auth/login", { json: { email: account.email, password: account.password } }));
  await enter();
}

$("login").onsubmit = guarded((event) => logIn(members(event.target)));
$("register").onsubmit = guarded(async (event) => {
  const account = members(event.target);
  await call("/v1/auth/register", { json: account });
  await logIn(account);
});
$("leave").onclick = guarded(async () => {
  try { await call("/v1/auth/logout", { json: { refresh_token: state.tokens.refresh_token } }); }
  finally { keep(null); show(false); }
});
$("workspace").onchange = guarded((event) => choose(event.target.value));
$("ask").onsubmit = guarded(ask);
$("stop").onclick = guarded(() => state.answer && call(inRoom(`messages/${state.answer}/cancel`), { method: "POST" }));
$("search").onsubmit = guarded(search);
$("upload").onsubmit = guarded(upload);
$("more").onclick = guarded(() => list(state.cursor));
guarded(async () => { if (await refresh()) await enter(); })();
