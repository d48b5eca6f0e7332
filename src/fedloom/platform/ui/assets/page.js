// The page's own few lines: colours for plots, and the theme that somebody chose.
function flmColor(name) {
  return getComputedStyle(document.body).getPropertyValue("--" + name).trim();
}
function flmValue(value) {
  if (typeof value !== "number") return value ?? "–";
  return Number.isInteger(value) ? value.toLocaleString("en") : String(+value.toPrecision(4));
}
function flmTheme(choice) {
  document.cookie = `fedloom_theme=${choice}; path=/ui; max-age=31536000; samesite=lax`;
}
// A log stays at its end, unless somebody has scrolled up in it.
function flmScroll(id) {
  const log = document.getElementById(id);
  if (log && (log.scrollHeight - log.scrollTop - log.clientHeight < 120 || !log.dataset.seen)) {
    log.scrollTop = log.scrollHeight;
    log.dataset.seen = "1";
  }
}
// A package goes up by a request of its own, which tells how far it is.
function flmUpload(form) {
  const [button, bar, status, alert] = ["button", "progress", "[role=status]", "[role=alert]"]
    .map((name) => form.querySelector(name));
  const fields = new FormData(form);
  const signatures = String(fields.get("signature")).split("\n").map((line) => line.trim());
  fields.delete("signature");
  signatures.filter(Boolean).forEach((line) => fields.append("signature", line));
  if (!form.elements.seed_model.files.length) fields.delete("seed_model");
  const request = new XMLHttpRequest();
  const say = (text, wrong) => {
    status.textContent = wrong ? "" : text;
    alert.textContent = wrong ? text : "";
    alert.hidden = !wrong;
  };
  const end = (text, wrong) => {
    button.disabled = false;
    bar.hidden = true;
    say(text, wrong);
  };
  request.upload.onprogress = (event) => {
    bar.value = event.total ? event.loaded / event.total : 0;
    say(`${Math.floor(100 * bar.value)} % of ${(event.total / 1e6).toFixed(1)} MB`);
  };
  request.upload.onload = () => {
    bar.removeAttribute("value");
    say("It is here; it is being checked, and its first weights are made …");
  };
  request.onerror = () => end("The connection broke, or the file changed: try again.", true);
  request.onload = () => {
    let answer = {};
    try { answer = JSON.parse(request.responseText); } catch { /* a proxy's page */ }
    if (request.status === 401) return void (location.href = "/ui/login");
    if (request.status > 299) {
      return end(answer.detail || `The server answered ${request.status}: try again.`, true);
    }
    end("");
    const link = document.createElement("a");
    link.href = answer.path;
    link.textContent = answer.said;
    status.replaceChildren(link);
  };
  button.disabled = true;
  bar.hidden = false;
  bar.value = 0;
  say("0 %");
  request.open("POST", form.action);
  request.send(fields);
}
