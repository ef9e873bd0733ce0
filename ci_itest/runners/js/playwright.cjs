// Reporter of Playwright Test 1.40 and newer: every attempt as it starts and ends, with what it left.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const { Journal } = require("./journal.cjs");

const OUTCOMES = { passed: "passed", failed: "failed", timedOut: "failed", interrupted: "error", skipped: "skipped" };
const ATTACHMENTS = "attachments";
const MAX_ATTACHMENT_BYTES = 50 * 1024 * 1024;

class CiItestReporter {
  constructor() {
    this.journal = new Journal();
    this.ids = new Map();
    this.kept = 0;
  }

  version() {
    return "v2";
  }

  printsToStdio() {
    return false;
  }

  onBegin(suite) {
    const byFile = new Map();
    for (const test of suite.allTests()) {
      const file = this.journal.file(test.location.file) ?? this.fileOf(test);
      if (file === undefined) continue;
      const id = `${file}::${this.journal.numbered(file, this.journal.name(titlesOf(test)))}`;
      this.ids.set(test.id, id);
      byFile.set(file, [...(byFile.get(file) ?? []), id]);
    }
    for (const [file, ids] of byFile) this.journal.collected(file, ids);
    if (process.env.CI_ITEST_GREPS) {
      for (const file of this.journal.selection.files) if (!byFile.has(file)) this.journal.collected(file, []);
    }
  }

  // A test that a helper declares has the helper's place; the file that it runs for stands above it.
  fileOf(test) {
    for (let suite = test.parent; suite; suite = suite.parent) {
      if (suite.type === "file" && suite.location) return this.journal.file(suite.location.file);
    }
    return undefined;
  }

  onTestBegin(test, result) {
    const id = this.ids.get(test.id);
    if (id) this.journal.start(id, { number: result.retry + 1, worker: workerOf(result), at: result.startTime });
  }

  onTestEnd(test, result) {
    const id = this.ids.get(test.id);
    if (!id) return;
    const expected = test.expectedStatus === result.status;
    const outcome = result.status === "skipped" ? "skipped" : expected ? "passed" : unexpected(result.status);
    const attached = outcome === "passed" ? [] : result.attachments;
    const printed = [...result.stdout, ...result.stderr].map(String).join("");
    this.journal.end(id, {
      number: result.retry + 1,
      worker: workerOf(result),
      outcome,
      milliseconds: result.duration,
      errors: outcome === "passed" ? [] : [...result.errors, ...unmet(test, result)],
      message: test.annotations.find((one) => one.type === "skip" || one.type === "fixme")?.description ?? "",
      output: outcome === "passed" ? "" : `${printed}${this.keep(attached)}`,
      line: test.location.line,
      properties: test.annotations.map((one) => [one.type, one.description ?? ""]),
    });
  }

  // A file that cannot be loaded, or a failure outside all cases; one that names no file of ours is in the output.
  onError(error) {
    const file = error.location ? this.journal.file(error.location.file) : undefined;
    if (file !== undefined) this.journal.broken(file, [error]);
    else process.stderr.write(`${error.stack ?? error.message ?? error.value}\n`);
  }

  // What a failed attempt left, copied beside the results, each named as the report looks for it.
  keep(attachments) {
    const results = path.dirname(process.env.CI_ITEST_SHARD);
    const folder = path.join(results, ATTACHMENTS);
    const bundle = path.basename(path.dirname(results));
    let text = "";
    for (const { name, path: source, body, contentType } of attachments) {
      try {
        const ending = path.extname(source ?? "") || (contentType === "image/png" ? ".png" : ".txt");
        const safe = String(name).replace(/[^\w-]+/g, "-").slice(0, 60) || "file";
        const kept = `${String((this.kept += 1)).padStart(3, "0")}-${safe}${ending}`;
        if (source && fs.statSync(source).size > MAX_ATTACHMENT_BYTES) continue;
        fs.mkdirSync(folder, { recursive: true });
        if (source) fs.copyFileSync(source, path.join(folder, kept));
        else fs.writeFileSync(path.join(folder, kept), body ?? "");
        text += `\n[[ATTACHMENT|${bundle}/results/${ATTACHMENTS}/${kept}]]`;
      } catch (error) {
        text += `\n${name} could not be kept: ${error.message}`;
      }
    }
    return text;
  }
}

function titlesOf(test) {
  const [, project, , ...titles] = test.titlePath();
  return project ? [`[${project}]`, ...titles] : titles;
}

function unexpected(status) {
  return status === "passed" ? "failed" : (OUTCOMES[status] ?? "error");
}

function unmet(test, result) {
  return result.status === "passed" ? [`passed, and was expected to be ${test.expectedStatus}`] : [];
}

function workerOf(result) {
  return result.parallelIndex >= 0 ? `w${result.parallelIndex}` : "";
}

module.exports = CiItestReporter;
