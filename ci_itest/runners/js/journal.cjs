// The lines that a reporter tells ci-itest: one JSON object each, on the pipe that CI_ITEST_JOURNAL names.
// Loaded inside the team's own test runner: nothing but Node, and nothing is thrown into it.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const COLLECTION = "<collection>";
const MAX_TEXT = 64 * 1024;
const ANSI = /[\u001b\u009b][[\]()#;?]*(?:(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PR-TZcf-nq-uy=><~]|[^\u0007]*\u0007)/g;

function load() {
  const selection = JSON.parse(fs.readFileSync(process.env.CI_ITEST_SHARD, "utf8"));
  return {
    root: fs.realpathSync(selection.root),
    files: new Set(selection.files),
    only: selection.only ? new Set(selection.only) : null,
    order: new Map((selection.order ?? []).map((file, place) => [file, place])),
  };
}

class Journal {
  constructor() {
    this.pipe = Number(process.env.CI_ITEST_JOURNAL);
    this.selection = load();
    this.counts = new Map();
  }

  event(name, fields) {
    let line = Buffer.from(JSON.stringify({ event: name, ...fields }) + "\n");
    while (line.length) {
      try {
        line = line.subarray(fs.writeSync(this.pipe, line));
      } catch (error) {
        if (error.code !== "EAGAIN") return; // nobody listens any more
      }
    }
  }

  // Path from the root with forward slashes, as the plan has it; undefined for a file of another shard.
  file(absolute) {
    let real = absolute;
    try {
      real = fs.realpathSync(absolute);
    } catch {
      // gone meanwhile: its name will do
    }
    const file = path.relative(this.selection.root, real).split(path.sep).join("/");
    return this.selection.files.has(file) ? file : undefined;
  }

  // What a replay runs, in the recorded order; what is not recorded comes last.
  ordered(items, pathOf) {
    const place = (item) => this.selection.order.get(this.file(pathOf(item))) ?? Infinity;
    const placed = items.map((item) => [place(item), item]);
    return placed.sort(([a], [b]) => (a === b ? 0 : a - b)).map(([, item]) => item);
  }

  // The name of a case: its titles, and a number for a further one of the same titles in its file.
  name(titles) {
    return clean(titles.join(" > "));
  }

  numbered(scope, id) {
    const key = `${scope}\n${id}`;
    const number = (this.counts.get(key) ?? 0) + 1;
    this.counts.set(key, number);
    return number === 1 ? id : `${id} (#${number})`;
  }

  // Whether a case is wanted, where only some are; all of a file are that could not be loaded.
  runs(id) {
    const { only } = this.selection;
    return !only || only.has(id) || only.has(`${id.split("::", 1)[0]}::${COLLECTION}`);
  }

  collected(file, ids) {
    this.event("collected", { ids: ids.filter((id) => this.runs(id)), files: [file] });
  }

  start(id, { number = 1, worker = "", at = new Date() } = {}) {
    if (this.runs(id)) this.event("start", { id, number, worker, at: time(at) });
  }

  end(id, attempt) {
    if (!this.runs(id)) return;
    const { number = 1, worker = "", at = new Date(), outcome, milliseconds = 0, line = 0 } = attempt;
    const errors = attempt.errors ?? [];
    this.event("end", {
      id,
      number,
      worker,
      at: time(at),
      outcome,
      setup: 0,
      call: milliseconds / 1000,
      teardown: 0,
      message: firstLine(errors.map((error) => error.message ?? error).find(Boolean) ?? attempt.message ?? ""),
      details: capped(errors.map(textOf).filter(Boolean).join("\n\n")),
      output: capped(clean(attempt.output ?? "")),
      line,
      properties: attempt.properties ?? [],
    });
  }

  // A file that could not be loaded, or that failed outside its cases.
  broken(file, errors) {
    const id = `${file}::${COLLECTION}`;
    this.selection.only?.add(id);
    this.event("collected", { ids: [id], files: [file] });
    this.end(id, { outcome: "error", errors });
  }
}

function time(at) {
  const date = at instanceof Date ? at : new Date(at);
  return Number.isNaN(date.getTime()) ? "" : date.toISOString();
}

function textOf(error) {
  if (typeof error === "string") return clean(error);
  const parts = [error.stack || error.message || error.value || "", error.diff, error.snippet];
  return clean(parts.filter(Boolean).join("\n\n"));
}

function firstLine(text) {
  return clean(text).trim().split(/\r?\n/, 1)[0].slice(0, 2000);
}

function clean(text) {
  const plain = String(text).replace(ANSI, "");
  return plain.toWellFormed ? plain.toWellFormed() : plain;
}

function capped(text) {
  if (text.length <= MAX_TEXT) return text;
  const half = MAX_TEXT / 2;
  return `${text.slice(0, half)}\n… ${text.length - MAX_TEXT} characters cut out …\n${text.slice(-half)}`;
}

module.exports = { Journal, clean };
