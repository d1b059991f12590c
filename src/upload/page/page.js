// The page of a directory for uploads: each file is sent by itself, with a bar and a button that cancels it.
// Without this script the form sends all of its files at once.
'use strict';
(() => {
  // Files that are sent at a time: more would share the same line.
  const AT_A_TIME = 3;

  const form = document.querySelector('form');
  const input = form.querySelector('input');
  const zone = document.getElementById('drop');
  const sending = document.getElementById('sending');
  const stored = document.getElementById('stored');
  const queue = [];
  let running = 0;

  function element(name, text) {
    const made = document.createElement(name);
    made.textContent = text;
    return made;
  }

  function size(bytes) {
    const units = ['bytes', 'KB', 'MB', 'GB', 'TB'];
    let unit = 0;
    while (bytes >= 1000 && unit < units.length - 1) {
      bytes /= 1000;
      unit += 1;
    }
    return `${unit ? bytes.toFixed(1) : bytes} ${units[unit]}`;
  }

  // Shows a file that is to be sent, and puts it into the queue.
  function add(file) {
    const item = document.createElement('li');
    const name = element('span', `${file.name} (${size(file.size)})`);
    const bar = document.createElement('progress');
    bar.max = 1;
    bar.value = 0;
    bar.setAttribute('aria-label', file.name);
    const state = element('span', 'waiting');
    state.setAttribute('role', 'status');
    const cancel = element('button', 'Cancel');
    cancel.type = 'button';
    cancel.setAttribute('aria-label', `Cancel ${file.name}`);
    item.append(name, bar, state, cancel);
    sending.append(item);
    const upload = {file, bar, state, cancel, request: null};
    cancel.addEventListener('click', () => {
      if (upload.request) {
        upload.request.abort();
      } else {
        queue.splice(queue.indexOf(upload), 1);
        end(upload, 'cancelled');
      }
    });
    queue.push(upload);
    next();
  }

  function next() {
    while (running < AT_A_TIME && queue.length) {
      running += 1;
      send(queue.shift());
    }
  }

  function send(upload) {
    const request = new XMLHttpRequest();
    upload.request = request;
    request.open('POST', form.action);
    request.setRequestHeader('accept', 'application/json');
    request.responseType = 'json';
    request.upload.addEventListener('progress', event => {
      if (event.lengthComputable && event.total) {
        upload.bar.value = event.loaded / event.total;
        upload.state.textContent = `${Math.floor(100 * event.loaded / event.total)} %`;
      }
    });
    request.addEventListener('load', () => {
      const answer = request.response;
      if (request.status === 201 && answer) {
        upload.bar.value = 1;
        answer.files.forEach(show);
        end(upload, 'stored');
      } else {
        end(upload, answer && answer.detail || `refused (${request.status})`);
      }
    });
    request.addEventListener('error', () => end(upload, 'could not be sent'));
    request.addEventListener('abort', () => end(upload, 'cancelled'));
    request.addEventListener('loadend', () => {
      running -= 1;
      next();
    });
    const data = new FormData();
    data.append(input.name, upload.file);
    request.send(data);
  }

  function end(upload, text) {
    upload.state.textContent = text;
    upload.cancel.remove();
  }

  // Adds a link to a file that was stored.
  function show(file) {
    const link = element('a', file.name);
    link.href = file.location;
    const item = document.createElement('li');
    item.append(link);
    stored.prepend(item);
  }

  form.addEventListener('submit', event => {
    event.preventDefault();
    [...input.files].forEach(add);
    form.reset();
  });
  for (const name of ['dragenter', 'dragover']) {
    document.addEventListener(name, event => {
      event.preventDefault();
      zone.classList.add('over');
    });
  }
  document.addEventListener('dragleave', event => {
    // The pointer has left the window, not just a child.
    if (!event.relatedTarget) {
      zone.classList.remove('over');
    }
  });
  document.addEventListener('drop', event => {
    event.preventDefault();
    zone.classList.remove('over');
    [...event.dataTransfer.files].forEach(add);
  });
  zone.hidden = false;
})();
