// Reporter of Vitest 3 and newer: every case as it starts and ends.
import { createRequire } from "node:module";

const { Journal } = createRequire(import.meta.url)("./journal.cjs");

export default class CiItestReporter {
  constructor() {
    this.journal = new Journal();
    this.ids = new Map();
    this.output = new Map();
  }

  // A replay: Vitest would begin with what took long or failed here.
  onInit(vitest) {
    const { journal } = this;
    if (!journal.selection.order.size) return;
    vitest.config.sequence.sequencer = class extends vitest.config.sequence.sequencer {
      async sort(specifications) {
        return journal.ordered(specifications, (one) => one.moduleId);
      }
    };
  }

  onTestModuleCollected(module) {
    const file = this.journal.file(module.moduleId);
    if (file === undefined) return;
    const scope = `${file} ${module.project?.name ?? ""}`;
    const ids = [];
    for (const test of module.children.allTests()) {
      const project = module.project?.name ? [`[${module.project.name}]`] : [];
      const id = `${file}::${this.journal.numbered(scope, this.journal.name([...project, ...titlesOf(test)]))}`;
      this.ids.set(test.id, id);
      ids.push(id);
    }
    // A file without a case is one that could not be loaded; it says so when it ends.
    if (ids.length) this.journal.collected(file, ids);
  }

  onTestCaseReady(test) {
    const id = this.ids.get(test.id);
    if (id !== undefined && !isSkipped(test)) this.journal.start(id, { worker: workerOf(id) });
  }

  onUserConsoleLog(log) {
    if (!log.taskId) return;
    const text = (this.output.get(log.taskId) ?? "") + log.content;
    this.output.set(log.taskId, text.slice(-64 * 1024));
  }

  onTestCaseResult(test) {
    const id = this.ids.get(test.id);
    if (id === undefined) return;
    const result = test.result();
    const diagnostic = test.diagnostic();
    const errors = result.errors ?? [];
    const retries = diagnostic?.retryCount ?? 0;
    const worker = workerOf(id);
    const line = test.location?.line ?? 0;
    const last = OUTCOMES[result.state] ?? "error";
    const output = last === "passed" && !retries ? "" : this.output.get(test.id);
    // Vitest keeps the errors of all attempts in one list and one duration for them together.
    for (let number = 1; number <= retries; number += 1) {
      if (number > 1) this.journal.start(id, { number, worker });
      this.journal.end(id, { number, worker, outcome: "failed", errors: errors.slice(number - 1, number), line, output });
    }
    if (retries) this.journal.start(id, { number: retries + 1, worker });
    this.journal.end(id, {
      number: retries + 1,
      worker,
      outcome: last,
      milliseconds: diagnostic?.duration ?? 0,
      errors: last === "failed" ? errors.slice(Math.min(retries, Math.max(errors.length - 1, 0))) : [],
      message: result.note ?? "",
      output,
      line,
    });
    this.output.delete(test.id);
  }

  onTestModuleEnd(module) {
    const file = this.journal.file(module.moduleId);
    if (file === undefined) return;
    const errors = module.errors();
    for (const suite of module.children.allSuites()) errors.push(...suite.errors());
    if (errors.length) this.journal.broken(file, errors);
  }
}

const OUTCOMES = { passed: "passed", failed: "failed", skipped: "skipped" };

function titlesOf(test) {
  const titles = [];
  for (let task = test; task && task.type !== "module"; task = task.parent) titles.unshift(task.name);
  return titles;
}

function isSkipped(test) {
  return test.options.mode === "skip" || test.options.mode === "todo";
}

// Vitest runs a file in one worker and does not say in which: a file is a queue of its own.
function workerOf(id) {
  return id.split("::", 1)[0];
}
