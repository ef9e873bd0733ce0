<?php
/**
 * Runs PHPUnit over the files of a shard, as many processes side by side as it has workers.
 *
 *     php phpunit.php FOLDER WORKERS SUITE|PATHS|ONE PHPUNIT [OPTION ...]
 *
 * FOLDER has `files` (each ended by a zero byte) and gets a JUnit file of each process. A process takes many files: to
 * start PHPUnit for each takes longer than many of them run. One that dies has written no JUnit file; then its
 * TeamCity log, which PHPUnit writes as it goes, says what had ended and what was running, and the files that it had
 * not come to go to the next process. It ends with 1 when a process did not end with 0.
 * Told by SIGTERM to end it starts no further process and writes down how far those came that are told the same.
 *
 * How PHPUnit is told of many files: PATHS as further arguments (10.4 and newer), SUITE by a class of a suite (9),
 * ONE not at all. Runs wherever PHPUnit 9 does, so as of PHP 7.3.
 */

declare(strict_types=1);

const LOOK_EVERY_MICROSECONDS = 5000;
const SUITE = <<<'PHP'
<?php
final class CiItestFiles
{
    public static function suite(): PHPUnit\Framework\TestSuite
    {
        $suite = new PHPUnit\Framework\TestSuite('files');
        foreach (explode("\0", rtrim(file_get_contents(__DIR__ . '/files'), "\0")) as $file) {
            $suite->addTestFile($file);
        }
        return $suite;
    }
}
PHP;

/** One process of PHPUnit and what it was given. */
final class Process
{
    /** @var string[] */
    public $files;
    /** @var string Without an ending. */
    public $report;
    /** @var resource */
    public $handle;

    /**
     * @param string[] $files
     * @param resource $handle
     */
    public function __construct(array $files, string $report, $handle)
    {
        $this->files = $files;
        $this->report = $report;
        $this->handle = $handle;
    }

    /** Whether PHPUnit came to its end, by the file that it writes there. */
    public function isWhole(): bool
    {
        clearstatcache();

        return is_file("{$this->report}.xml") && filesize("{$this->report}.xml") > 0;
    }
}

/** What a TeamCity log says of a process that died. */
final class Log
{
    /** @var array<int, array{file: string, class: string, name: string, kind: string, message: string, details: string, seconds: float}> */
    public $cases = [];
    /** @var array<string, true> Files with a class that was begun. */
    public $begun = [];
    /** @var ?array{file: string, class: string, name: string} The case that was running. */
    public $running;
    /** @var string The file that was run when the process died, "" when it had begun none. */
    public $open = '';

    public function __construct(string $path)
    {
        $kind = $message = $details = '';
        $suites = [];
        foreach (is_file($path) ? file($path) : [] as $line) {
            [$event, $fields] = self::event($line);
            $place = self::place($fields['locationHint'] ?? '');
            if ($event === 'testSuiteStarted') {
                $suites[] = $place['file'];
                $this->begin($place['file']);
            } elseif ($event === 'testSuiteFinished') {
                array_pop($suites);
            } elseif ($event === 'testStarted') {
                $this->running = ['name' => $fields['name']] + $place;
                $this->begin($place['file']);
                $kind = $message = $details = '';
            } elseif ($event === 'testFailed' || $event === 'testIgnored') {
                $kind = $event === 'testFailed' ? 'failure' : 'skipped';
                $message = $fields['message'] ?? '';
                $details = $fields['details'] ?? '';
            } elseif ($event === 'testFinished' && $this->running !== null) {
                $seconds = (float) ($fields['duration'] ?? 0) / 1000;
                $this->cases[] = compact('kind', 'message', 'details', 'seconds') + $this->running;
                $this->running = null;
            }
        }
        $this->open = current(array_filter(array_reverse($suites))) ?: $this->open;
    }

    private function begin(string $file): void
    {
        if ($file !== '') {
            $this->begun[$file] = true;
            $this->open = $file;
        }
    }

    /** @return array{string, array<string, string>} */
    private static function event(string $line): array
    {
        if (preg_match('/^##teamcity\[(\w+)(.*)\]$/', rtrim($line), $found) !== 1) {
            return ['', []];
        }
        preg_match_all("/ (\w+)='((?:[^'|]|\|.)*)'/", $found[2], $pairs, PREG_SET_ORDER);
        $meant = ['|n' => "\n", '|r' => "\r", '||' => '|', "|'" => "'", '|[' => '[', '|]' => ']'];
        $fields = [];
        foreach ($pairs as $pair) {
            $fields[$pair[1]] = strtr($pair[2], $meant);
        }

        return [$found[1], $fields];
    }

    /** @return array{file: string, class: string} */
    private static function place(string $hint): array
    {
        $isKnown = preg_match('/^php_qn:\/\/(.*?)::\\\\([^:]*)/s', $hint, $found) === 1;

        return ['file' => $isKnown ? $found[1] : '', 'class' => $isKnown ? $found[2] : ''];
    }
}

/** All files of the shard, and who has them. */
final class Shard
{
    /** @var string */
    private $folder;
    /** @var int */
    private $workers;
    /** @var string */
    private $mode;
    /** @var string[] */
    private $words;
    /** @var string[] */
    private $waiting;
    /** @var string[] Files of a process that died before it began any: which of them was it? */
    private $alone = [];
    /** @var array<int, ?Process> */
    private $running;
    /** @var int */
    private $started = 0;
    /** @var int */
    private $code = 0;
    /** @var bool */
    private $isEnding = false;

    /** @param string[] $words */
    public function __construct(string $folder, int $workers, string $mode, array $words)
    {
        $this->folder = $folder;
        $this->workers = $workers;
        $this->mode = $mode;
        $this->words = $words;
        $this->waiting = self::listed("$folder/files");
        $this->running = array_fill(0, $workers, null);
    }

    public function run(): int
    {
        if (function_exists('pcntl_async_signals')) {
            pcntl_async_signals(true);
            pcntl_signal(SIGTERM, function (): void {
                $this->isEnding = true;
            });
        }
        while ($this->waiting || $this->alone || array_filter($this->running)) {
            foreach ($this->running as $worker => $process) {
                if ($process !== null) {
                    $this->look($worker, $process);
                } elseif ($this->isEnding) {
                    $this->waiting = $this->alone = [];
                } elseif ($this->waiting || $this->alone) {
                    $this->running[$worker] = $this->started($this->taken(), $worker);
                }
            }
            usleep(LOOK_EVERY_MICROSECONDS);
        }

        return $this->code;
    }

    /** @return string[] */
    private static function listed(string $path): array
    {
        $text = rtrim((string) file_get_contents($path), "\0");

        return $text === '' ? [] : explode("\0", $text);
    }

    /**
     * The next files for a process: all for a worker alone, else fewer and fewer, so that all end at about one time.
     *
     * @return string[]
     */
    private function taken(): array
    {
        if (!$this->waiting) {
            return [array_shift($this->alone)];
        }
        $count = $this->workers === 1 ? count($this->waiting) : intdiv(count($this->waiting), 2 * $this->workers);

        return array_splice($this->waiting, 0, $this->mode === 'ONE' ? 1 : max(1, $count));
    }

    /** @param string[] $files */
    private function started(array $files, int $worker): Process
    {
        $report = "{$this->folder}/{$this->started}";
        ++$this->started;
        putenv("CI_ITEST_WORKER=$worker");
        $words = [...$this->wordsFor($report), ...$this->filesFor($report, $files)];
        $command = 'exec ' . implode(' ', array_map([self::class, 'quoted'], $words));
        $pipes = [];
        $handle = proc_open($command, [['file', '/dev/null', 'r'], STDOUT, STDERR], $pipes);
        if ($handle === false) {
            fwrite(STDERR, "PHPUnit could not be started: $command\n");
            exit(126);
        }

        return new Process($files, $report, $handle);
    }

    /** @return string[] */
    private function wordsFor(string $report): array
    {
        return [...$this->words, '--log-junit', "$report.xml", '--log-teamcity', "$report.teamcity"];
    }

    /**
     * @param string[] $files
     *
     * @return string[]
     */
    private function filesFor(string $report, array $files): array
    {
        if (count($files) === 1 || $this->mode === 'PATHS') {
            return $files;
        }
        mkdir("$report.suite");
        file_put_contents("$report.suite/files", implode("\0", array_map('realpath', $files)));
        file_put_contents("$report.suite/CiItestFiles.php", SUITE);

        return ["$report.suite/CiItestFiles.php"];
    }

    /** The word for a shell; escapeshellarg leaves out letters that the locale does not know. */
    private static function quoted(string $word): string
    {
        return "'" . str_replace("'", "'\\''", $word) . "'";
    }

    private function look(int $worker, Process $process): void
    {
        $status = proc_get_status($process->handle);
        if ($status['running']) {
            return;
        }
        proc_close($process->handle);
        $this->running[$worker] = null;
        if ($status['signaled'] || $status['exitcode'] !== 0) {
            $this->code = 1;
        }
        if (!$process->isWhole()) {
            $this->code = 1;
            $this->died($process, self::ending($status));
        }
    }

    /** @param array<string, mixed> $status */
    private static function ending(array $status): string
    {
        return $status['signaled'] ? "was ended by signal {$status['termsig']}" : "ended with code {$status['exitcode']}";
    }

    private function died(Process $process, string $ending): void
    {
        $log = new Log("{$process->report}.teamcity");
        if (!$log->begun && count($process->files) === 1) {
            fwrite(STDERR, "PHPUnit $ending before it ran a case of {$process->files[0]}.\n");

            return;
        }
        if (!$log->begun) {
            $this->alone = [...$this->alone, ...$process->files];

            return;
        }
        self::write($log, $ending, "{$process->report}.xml");
        $left = array_filter($process->files, static function (string $file) use ($log): bool {
            return !isset($log->begun[(string) realpath($file)]);
        });
        $this->waiting = [...array_values($left), ...$this->waiting];
    }

    /** Write the JUnit file that the process did not come to. */
    private static function write(Log $log, string $ending, string $path): void
    {
        $xml = new XMLWriter();
        $xml->openUri($path);
        $xml->startDocument('1.0', 'UTF-8');
        $xml->startElement('testsuite');
        foreach ($log->cases as $case) {
            self::writeCase($xml, $case);
        }
        $dead = ['kind' => 'error', 'details' => '', 'seconds' => 0.0];
        if ($log->running !== null) {
            self::writeCase($xml, ['message' => "Its process $ending while it ran."] + $dead + $log->running);
        } else {
            $place = ['file' => $log->open, 'class' => basename($log->open, '.php'), 'name' => 'outside its cases'];
            self::writeCase($xml, ['message' => "Its process $ending outside its cases."] + $dead + $place);
        }
        $xml->endElement();
        $xml->endDocument();
        $xml->flush();
    }

    /** @param array<string, mixed> $case */
    private static function writeCase(XMLWriter $xml, array $case): void
    {
        $xml->startElement('testcase');
        $xml->writeAttribute('name', self::clean($case['name']));
        $xml->writeAttribute('classname', str_replace('\\', '.', $case['class']));
        $xml->writeAttribute('file', self::clean($case['file']));
        $xml->writeAttribute('time', sprintf('%F', $case['seconds']));
        if ($case['kind'] !== '') {
            $xml->startElement($case['kind']);
            $xml->writeAttribute('message', self::clean($case['message']));
            $xml->text(self::clean($case['details']));
            $xml->endElement();
        }
        $xml->endElement();
    }

    /** The text without what XML has no place for. */
    private static function clean(string $text): string
    {
        $text = mb_convert_encoding($text, 'UTF-8', 'UTF-8');

        return (string) preg_replace('/[^\x{9}\x{A}\x{D}\x{20}-\x{D7FF}\x{E000}-\x{FFFD}\x{10000}-\x{10FFFF}]/u', '?', $text);
    }
}

[, $folder, $workers, $mode] = $argv;
exit((new Shard($folder, max(1, (int) $workers), $mode, array_slice($argv, 4)))->run());
