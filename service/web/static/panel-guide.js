/** What the pages of teaching and of the guide do by themselves; without it each of them still works. */

const LOOK_EVERY_MS = 1000;
const QUIET_MS = 900;

// --- a check that is running -------------------------------------------------------------------

async function wait(part) {
  const bar = part.querySelector('progress');
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    try {
      const answer = await fetch(part.dataset.wait, { cache: 'no-store' });
      if (answer.ok) {
        const { percent, done } = await answer.json();
        bar.value = percent;
        if (!done) continue;
      } else if (answer.status >= 500) {
        continue;
      }
      // Done, or the check is gone: the page itself says which.
      location.reload();
      return;
    } catch {
      // the line is down; the next look may find it up again
    }
  }
}

// --- while somebody writes ---------------------------------------------------------------------

function told(problem) {
  return problem.remedy ? `${problem.fault} → ${problem.remedy}` : problem.fault;
}

function show(form, problems) {
  const byField = grouped(problems);
  for (const place of form.querySelectorAll('[id$="-fault"]')) {
    const name = place.id.slice(0, -'-fault'.length);
    place.replaceChildren(...(byField.get(name) ?? []).map((p) => paragraph('p', told(p))));
    const field = document.getElementById(name);
    if (byField.has(name)) field?.setAttribute('aria-invalid', 'true');
    else field?.removeAttribute('aria-invalid');
  }
  const list = document.createElement('ul');
  list.className = 'plain-list';
  for (const problem of problems) {
    const item = document.createElement('li');
    const field = problem.field && document.getElementById(problem.field);
    if (field) {
      const link = paragraph('a', told(problem));
      link.href = `#${problem.field}`;
      item.append(link);
    } else {
      item.textContent = told(problem);
    }
    list.append(item);
  }
  const said = problems.length ? list : paragraph('p', form.dataset.clean);
  document.getElementById('problems').replaceChildren(said);
}

function grouped(problems) {
  const found = new Map();
  for (const p of problems) found.set(p.field, [...(found.get(p.field) ?? []), p]);
  return found;
}

function paragraph(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function watch(form) {
  let timer;
  let asking = false;
  let again = false;
  async function check() {
    if (asking) {
      again = true;
      return;
    }
    asking = true;
    try {
      const answer = await fetch(form.dataset.check, { method: 'POST', body: new URLSearchParams(new FormData(form)) });
      // What was written meanwhile is looked at next; an older answer would only confuse.
      if (answer.ok && !again) show(form, (await answer.json()).problems);
    } catch {
      // the line is down; the page says so when the form is sent
    }
    asking = false;
    if (again) {
      again = false;
      check();
    }
  }
  form.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(check, QUIET_MS);
  });
}

// --- listening ---------------------------------------------------------------------------------

function listen(form) {
  const says = document.getElementById('sounding');
  let playing;
  let address;
  let latest = 0;
  async function play(text) {
    const mine = ++latest;
    playing?.pause();
    if ([...text].length > Number(form.dataset.longest)) {
      says.textContent = form.dataset.long;
      return;
    }
    const body = new URLSearchParams({ text, csrf_token: form.elements.csrf_token.value });
    try {
      const answer = await fetch(form.dataset.listen, { method: 'POST', body });
      if (!answer.ok) throw new Error(answer.status);
      const sound = await answer.blob();
      if (mine !== latest) return;
      if (address) URL.revokeObjectURL(address);
      address = URL.createObjectURL(sound);
      playing = new Audio(address);
      await playing.play();
      says.textContent = `${form.dataset.sound} ${text}`;
    } catch (error) {
      if (mine === latest && error.name !== 'AbortError') says.textContent = form.dataset.mute;
    }
  }
  for (const button of form.querySelectorAll('button[data-listen]')) {
    button.hidden = false;
    button.addEventListener('click', () => {
      const text = document.getElementById(button.dataset.listen).value.trim();
      if (text) play(text);
    });
  }
}

for (const part of document.querySelectorAll('[data-wait]')) wait(part);
for (const form of document.querySelectorAll('form[data-check]')) {
  watch(form);
  listen(form);
}
