/* SPDX-License-Identifier: MIT */
/*
 * Every key of the configuration, once: type, default, range, help. The reader, `config init`,
 * `config show`, suggestions and the manual come from here.
 */
#include "config/built.h"

#include <string.h>

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define END                                                                                        \
	{                                                                                          \
		.key = NULL                                                                        \
	}
/* key, type, structure, member, default, smallest, largest, help */
#define ROW(k, t, s, m, f, lo, hi, h)                                                              \
	{                                                                                          \
		.key = (k), .type = SB_SETTING_##t, .offset = offsetof(s, m), .fallback = (f),     \
		.min = (lo), .max = (hi), .help = (h)                                              \
	}
#define PICK(k, s, m, f, words, h)                                                                 \
	{                                                                                          \
		.key = (k), .type = SB_SETTING_CHOICE, .offset = offsetof(s, m), .fallback = (f),  \
		.choices = (words), .help = (h)                                                    \
	}
#define NEED(k, t, s, m, h)                                                                        \
	{                                                                                          \
		.key = (k), .type = SB_SETTING_##t, .offset = offsetof(s, m), .required = true,    \
		.help = (h)                                                                        \
	}

#define V(k, t, m, f, lo, hi, h) ROW(k, t, sb_values, m, f, lo, hi, h)
#define E(k, t, m, f, lo, hi, h) ROW(k, t, sb_engine_values, m, f, lo, hi, h)

/* Bytes and milliseconds, as the ranges are given in. */
#define PIB 1125899906842624.
#define HOUR 3600000.
#define DAY 86400000.

const sb_setting sb_top_rows[] = {
	V("data_dir", PATH, data_dir, NULL, 0, 0,
		"audit log and other data; default /var/lib/scanbridge as root, else "
		"$XDG_DATA_HOME/scanbridge"),
	V("user", TEXT, user, NULL, 0, 0, "account that a server started as root changes to"),
	V("hashes", TEXTS, hashes, "blake3", 0, 0, "in every report: blake3, sha256, md5"),
	PICK("mime", sb_values, mime, "on_demand", WORDS("on_demand", "always"),
		"media types in reports (on_demand: of what is not clean, and when a rule asks)"),
	PICK("isolation", sb_values, isolation, NULL, WORDS("process", "none"),
		"where engines that take content apart run (null: in a process of their own, where "
		"this build has it)"),
	END,
};

static const sb_setting limits_rows[] = {
	V("max_size", SIZE, limits.max_size, "1GiB", 1, PIB,
		"larger content is error file_too_large"),
	V("timeout", DURATION, limits.timeout, "120s", 1, 30 * DAY, "for one scan as a whole"),
	V("max_in_flight", INT, limits.max_in_flight, "256", 1, 65536, "scans at the same time"),
	V("spool_memory", SIZE, limits.spool_memory, "256MiB", 1, PIB,
		"memory that all contents together may take"),
	V("spool_disk", SIZE, limits.spool_disk, "10GiB", 0, PIB,
		"disk that all contents together may take"),
	V("copy_unpinned", BOOL, limits.copy_unpinned, "false", 0, 0,
		"copy content that neither a lease nor a reflink can keep from changing"),
	END,
};

static const sb_setting containers_rows[] = {
	V("max_depth", INT, containers.max_depth, "16", 1, 64, "containers in containers"),
	V("max_members", INT, containers.max_members, "10000", 1, 1e7, "over all levels"),
	V("max_size", SIZE, containers.max_size, "1GiB", 1, PIB, "unpacked, over all levels"),
	V("max_member", SIZE, containers.max_member, "128MiB", 1, PIB, "unpacked, one member"),
	V("max_memory", SIZE, containers.max_memory, "192MiB", 1, PIB,
		"unpacked members held at the same time"),
	V("max_ratio", INT, containers.max_ratio, "100", 1, 1e6,
		"unpacked to packed, from 16 MiB on"),
	{.key = "passwords",
		.type = SB_SETTING_TEXTS,
		.offset = offsetof(sb_values, containers.passwords),
		.secret = true,
		.help = "to try on encrypted containers, with those of the scan"},
	END,
};

static const sb_setting decision_rows[] = {
	PICK("strategy", sb_values, decision.strategy, "any",
		WORDS("any", "all", "quorum", "majority", "weighted"), "how engines vote"),
	V("quorum", INT, decision.quorum, NULL, 1, 64, "hits that strategy quorum needs"),
	V("threshold", NUMBER, decision.threshold, NULL, 0.001, 64000,
		"weight that strategy weighted needs"),
	V("min_engines", INT, decision.min_engines, "1", 1, 64,
		"complete clean answers that clean needs"),
	PICK("min_assurance", sb_values, decision.min_assurance, "antivirus",
		WORDS("hash", "rules", "antivirus"),
		"below it, clean files are allowed with a warning"),
	PICK("next_tier", sb_values, decision.next_tier, "on_doubt",
		WORDS("on_doubt", "unless_infected", "on_suspicion"),
		"when engines of the next tier are asked; on_doubt: suspicious, an error, or clean "
		"below min_assurance"),
	V("early_decision", BOOL, decision.early_decision, "false", 0, 0,
		"infected is certain: wait for no other engine"),
	END,
};

static const sb_setting policy_rows[] = {
	V("preset", TEXT, policy.preset, NULL, 0, 0,
		"default, strict, monitor or mail; with rules: what follows them"),
	V("file", PATH, policy.file, NULL, 0, 0, "a policy file instead"),
	END,
};

static const sb_setting quarantine_rows[] = {
	V("enabled", BOOL, quarantine.enabled, "true", 0, 0, "keep encrypted copies"),
	V("key_file", PATH, quarantine.key_file, NULL, 0, 0, "the key; null: made by itself"),
	V("retention", DURATION, quarantine.retention, "90d", 0, 36500 * DAY,
		"objects are deleted afterwards; off: never"),
	V("max_size", SIZE, quarantine.max_size, "10GiB", 1, PIB, "of the store"),
	V("remove_original", BOOL, quarantine.remove_original, "false", 0, 0,
		"remove infected files once they are stored"),
	V("max_per_hour", INT, quarantine.max_per_hour, "1000", 0, 1e9,
		"originals removed in an hour"),
	V("restore_roots", PATHS, quarantine.restore_roots, NULL, 0, 0,
		"folders that may be restored to"),
	END,
};

static const sb_setting audit_rows[] = {
	V("enabled", BOOL, audit.enabled, "true", 0, 0, "record every verdict"),
	V("file", TEXT, audit.file, "audit.jsonl", 0, 0, "below the data directory"),
	PICK("on_failure", sb_values, audit.on_failure, "block", WORDS("block", "allow"),
		"when a record can't be written"),
	PICK("sync", sb_values, audit.sync, "group", WORDS("group", "each", "none"),
		"when records are forced to disk"),
	V("sinks", TEXTS, audit.sinks, NULL, 0, 0, "also to stderr, syslog, journald"),
	V("reserve", SIZE, audit.reserve, "8MiB", 0, PIB, "disk kept free for further records"),
	END,
};

static const sb_setting cache_rows[] = {
	V("enabled", BOOL, cache.enabled, "true", 0, 0, "remember verdicts"),
	V("memory", SIZE, cache.memory, "64MiB", 0, PIB, "for the part in memory"),
	V("persistent", BOOL, cache.persistent, "true", 0, 0, "keep it in the data directory"),
	V("ttl", DURATION, cache.ttl, "24h", 1, 3650 * DAY, "how long a verdict holds"),
	END,
};

static const sb_setting rules_rows[] = {
	V("trusted_keys", PATHS, rules.trusted_keys, NULL, 0, 0,
		"files with the public keys that may sign rule bundles"),
	V("benign", PATHS, rules.benign, NULL, 0, 0,
		"files and folders that rules must not flag, beside what the program makes itself"),
	END,
};

const sb_section sb_sections[] = {
	{"limits", limits_rows, NULL, "What one scan, and all together, may take"},
	{"containers", containers_rows, NULL,
		"How far engines of our own open containers; beyond it is error limit_exceeded"},
	{"decision", decision_rows, WORDS("ignore"), "From engine answers to an outcome"},
	{"policy", policy_rows, WORDS("rules"), "From an outcome to an action"},
	{"quarantine", quarantine_rows, NULL, "Encrypted copies of what policy holds back"},
	{"audit", audit_rows, NULL, "The chained log of all verdicts"},
	{"cache", cache_rows, NULL, "Verdicts that are remembered"},
	{"rules", rules_rows, NULL, "New rules: who may sign them, and what they must not flag"},
	{NULL},
};

/* --- Engines ----------------------------------------------------------------------------- */

#define ROLES WORDS("required", "optional", "shadow")

const sb_setting sb_engine_rows[] = {
	NEED("name", TEXT, sb_engine_values, name, "unique, of A-Z a-z 0-9 . _ -"),
	NEED("type", TEXT, sb_engine_values, type,
		"yara, clamd, icap, command, virustotal, hashlist, plugin or mock"),
	PICK("role", sb_engine_values, role, "required", ROLES,
		"what its failure means; hashlist: optional"),
	E("timeout", DURATION, timeout, "60s", 1, DAY,
		"for one file: waiting, all attempts and pauses"),
	E("max_size", SIZE, max_size, "0", 0, PIB,
		"larger content is error file_too_large; 0: no limit; clamd: 25MiB"),
	E("concurrency", INT, concurrency, "4", 1, 1024, "calls at the same time"),
	E("tier", INT, tier, "1", 1, 64,
		"it is asked after those of lower tiers, if decision.next_tier says so"),
	E("weight", NUMBER, weight, "1", 0, 1000, "of its hits with strategy weighted"),
	E("veto", BOOL, veto, "false", 0, 0, "its hit decides alone"),
	PICK("heuristics", sb_engine_values, heuristics, "suspicious",
		WORDS("suspicious", "infected"), "what PUA.* and Heuristics.* threats are"),
	E("self_test", TEXT, self_test, "eicar", 0, 0,
		"eicar, builtin, off or a file; hashlist, mock: off; yara with rules, virustotal: "
		"builtin"),
	E("max_signature_age", DURATION, max_signature_age, "off", 0, 3650 * DAY,
		"older signatures are an error; off: any age"),
	PICK("isolation", sb_engine_values, isolation, NULL, WORDS("process", "none"),
		"where it takes content apart (null: as for all)"),
	PICK("fallback_on", sb_engine_values, fallback_on, "failure", WORDS("failure", "open"),
		"what the fallback of on_open answers for: any failure of the engine, or only "
		"while its breaker is open"),
	END,
};

static const sb_setting retry_rows[] = {
	E("attempts", INT, retry.attempts, "3", 1, 100, "the first try counted"),
	E("initial", DURATION, retry.initial, "100ms", 1, HOUR, "the first wait"),
	E("max", DURATION, retry.max, "10s", 1, HOUR, "the longest wait"),
	E("multiplier", NUMBER, retry.multiplier, "2", 1, 100, "from one wait to the next"),
	E("jitter", BOOL, retry.jitter, "true", 0, 0, "vary the waits"),
	END,
};

/* The presets differ in their defaults; a key that is given holds in any of them. */
#define BREAKER(failures, successes, open_time, probes)                                            \
	PICK("preset", sb_engine_values, breaker.preset, "default",                                \
		WORDS("default", "strict", "high_availability", "off"),                            \
		"defaults of the other keys; off: only opened by hand"),                           \
		E("failure_threshold", INT, breaker.failure_threshold, failures, 1, 1000,          \
			"failures in a row that open it; strict: 3, high_availability: 10"),       \
		E("failure_rate", INT, breaker.failure_rate, "50", 0, 100,                         \
			"percent of the calls in `window` that open it; 0: any share is fine"),    \
		E("minimum_calls", INT, breaker.minimum_calls, "20", 1, 1e6,                       \
			"fewer calls in `window` have no share"),                                  \
		E("window", DURATION, breaker.window, "30s", 10, HOUR,                             \
			"over which the share is taken"),                                          \
		E("slow_call", DURATION, breaker.slow_call, "off", 0, DAY,                         \
			"an answer that takes longer counts as a failure in that share"),          \
		E("success_threshold", INT, breaker.success_threshold, successes, 1, 1000,         \
			"good tries that close it; strict: 5, high_availability: 2"),              \
		E("open", DURATION, breaker.open, open_time, 1, DAY,                               \
			"how long it stays open, 20 % more or less; strict: 60s, "                 \
			"high_availability: 10s"),                                                 \
		E("max_open", DURATION, breaker.max_open, "10m", 1, DAY,                           \
			"at most, as each time it opens again is twice as long"),                  \
		E("half_open_probes", INT, breaker.half_open_probes, probes, 1, 1000,              \
			"tries at a time after that; high_availability: 3"),                       \
		END

static const sb_setting breaker_rows[] = {BREAKER("5", "3", "30s", "1")};
static const sb_setting strict_rows[] = {BREAKER("3", "5", "60s", "1")};
static const sb_setting available_rows[] = {BREAKER("10", "2", "10s", "3")};
const sb_setting *const sb_breaker_presets[] = {
	breaker_rows, strict_rows, available_rows, breaker_rows};

static const sb_setting quota_rows[] = {
	E("per_minute", INT, quota.per_minute, "0", 0, 1e6,
		"requests in any 60 seconds, by all processes with this data directory; 0: no "
		"limit"),
	E("per_day", INT, quota.per_day, "0", 0, 1e9,
		"requests in a day, which begins at 00:00 UTC; 0: no limit"),
	END,
};

const sb_section sb_engine_sections[] = {
	{"retry", retry_rows, NULL, "Tries after a failure that may pass"},
	{"breaker", breaker_rows, NULL, "Leave an engine alone that keeps failing"},
	{"quota", quota_rows, NULL, "Send it no more requests than it may be sent"},
	{NULL},
};

/* --- What later builds bring: read here so that mistakes are told today ------------------- */

typedef struct scratch {
	sb_texts texts, more_texts;
	sb_ints ints, more_ints;
	const char *text, *more_text, *third, *fourth, *fifth;
	int64_t number, more_number;
	uint64_t time, more_time;
	sb_packed map;
	int word, more_word;
	bool yes;
} scratch;
_Static_assert(sizeof(scratch) <= SB_SCRATCH, "scratch of a section that is only checked");

static const sb_setting yara_rows[] = {
	ROW("rules", PATHS, scratch, texts, NULL, 0, 0, "rule files and folders"),
	ROW("bundles", TEXTS, scratch, more_texts, NULL, 0, 0, "rule bundles"), END};
static const sb_setting virustotal_rows[] = {
	NEED("api_key_file", PATH, scratch, text, "the file that holds the API key"),
	ROW("base_url", TEXT, scratch, more_text, NULL, 0, 0, "the API"),
	ROW("ca_file", PATH, scratch, third, NULL, 0, 0, "certificates that the API's leads to"),
	PICK("upload", scratch, word, "never", WORDS("never", "unknown", "always"),
		"give content to VirusTotal"),
	ROW("min_detections", INT, scratch, number, "3", 1, 1000, "vendors that must agree"),
	ROW("min_voters", INT, scratch, more_number, "10", 1, 1000,
		"vendors that must have looked"),
	ROW("max_age", DURATION, scratch, time, "90d", 0, 3650 * DAY, "of analyses"),
	ROW("vendor_weights", TEXTS, scratch, texts, NULL, 0, 0, "what a vendor's hit counts"),
	ROW("poll_interval", DURATION, scratch, more_time, "20s", 10, HOUR,
		"from one look at an analysis to the next"),
	END,
};
static const sb_setting command_rows[] = {
	ROW("preset", TEXT, scratch, text, NULL, 0, 0, "ready settings"),
	ROW("argv", TEXTS, scratch, texts, NULL, 0, 0, "the program and its arguments"),
	ROW("infected_exit", INTS, scratch, ints, "1", 0, 255, "statuses that mean infected"),
	ROW("clean_exit", INTS, scratch, more_ints, "0", 0, 255, "statuses that mean clean"),
	END,
};
static const sb_setting icap_rows[] = {
	NEED("url", TEXT, scratch, text, "icap://HOST:PORT/SERVICE"), END};
static const sb_setting plugin_rows[] = {
	NEED("path", PATH, scratch, text, "the shared object"),
	ROW("settings", MAP, scratch, map, NULL, 0, 0, "the keys that the plugin itself has"),
	ROW("workers", INT, scratch, number, "0", 0, 64, "processes kept busy side by side"),
	ROW("recycle", INT, scratch, more_number, "256", 0, 1e9, "contents for one process"),
	ROW("open_timeout", DURATION, scratch, time, "30s", 1, DAY, "that it may take to open"),
	END,
};

static const struct {
	const char *type;
	const sb_setting *rows;
} absent[] = {{"yara", yara_rows}, {"virustotal", virustotal_rows}, {"command", command_rows},
	{"icap", icap_rows}, {"plugin", plugin_rows}};

const sb_setting *sb_absent_engine_rows(const char *type)
{
	for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
		if (strcmp(absent[i].type, type) == 0)
			return absent[i].rows;
	return NULL;
}

const sb_setting sb_listener_rows[] = {
	{.key = "type",
		.type = SB_SETTING_CHOICE,
		.offset = offsetof(scratch, word),
		.choices = WORDS("http", "clamd", "icap"),
		.required = true,
		.help = "http, clamd or icap"},
	NEED("address", TEXT, scratch, text, "HOST:PORT, tcp:HOST:PORT or unix:PATH"),
	ROW("allow", TEXTS, scratch, texts, NULL, 0, 0, "networks that may connect"),
	ROW("mode", TEXT, scratch, more_text, NULL, 0, 0, "of a Unix socket, like \"0660\""),
	ROW("owner", TEXT, scratch, third, NULL, 0, 0, "of a Unix socket"),
	ROW("group", TEXT, scratch, fourth, NULL, 0, 0, "of a Unix socket"),
	ROW("trusted", BOOL, scratch, yes, NULL, 0, 0, "may scan paths"),
	PICK("on_unscanned", scratch, more_word, "error", WORDS("error", "found"),
		"how clamd clients hear of errors"),
	END,
};

/* --- Rules ------------------------------------------------------------------------------- */

const sb_setting sb_ignore_rows[] = {
	ROW("engine", TEXT, sb_ignore_values, engine, NULL, 0, 0, "only from this engine"),
	NEED("threat", TEXT, sb_ignore_values, threat, "the exact name"),
	NEED("until", TEXT, sb_ignore_values, until,
		"an ignored threat must expire: YYYY-MM-DD or RFC 3339"),
	NEED("reason", TEXT, sb_ignore_values, reason, "why it is ignored"),
	END,
};

const sb_setting sb_rule_rows[] = {
	NEED("id", TEXT, sb_rule, id, "a unique name"),
	ROW("name", TEXT, sb_rule, name, NULL, 0, 0, "for people"),
	ROW("description", TEXT, sb_rule, description, NULL, 0, 0, "for people"),
	ROW("priority", INT, sb_rule, priority, "0", -1e6, 1e6, "higher first"),
	ROW("enabled", BOOL, sb_rule, enabled, "true", 0, 0, "false: left out"),
	END,
};

const sb_setting sb_then_rows[] = {
	NEED("action", TEXT, sb_ignore_values, engine, "what is done"),
	ROW("reason", TEXT, sb_ignore_values, reason, NULL, 0, 0, "for the report"),
	ROW("message", TEXT, sb_ignore_values, threat, NULL, 0, 0, "for the user"),
	END,
};

/* In the order of enum sb_condition; `always` and `never` last. */
const sb_setting sb_when_rows[] = {
	ROW("outcome", TEXTS, sb_when, outcome, NULL, 0, 0, "any of these"),
	PICK("severity_at_least", sb_when, severity_at_least, NULL,
		WORDS("low", "medium", "high", "critical"), "of a threat"),
	ROW("error_kind", TEXTS, sb_when, error_kind, NULL, 0, 0, "any of these"),
	ROW("error_class", TEXTS, sb_when, error_class, NULL, 0, 0, "any of these"),
	ROW("threat_name", TEXTS, sb_when, threat_name, NULL, 0, 0, "patterns, any case"),
	ROW("threat_contains", TEXTS, sb_when, threat_contains, NULL, 0, 0, "any case"),
	ROW("source", TEXTS, sb_when, source, NULL, 0, 0, "cli, …"),
	ROW("tenant", TEXTS, sb_when, tenant, NULL, 0, 0, "any of these"),
	ROW("user", TEXTS, sb_when, user, NULL, 0, 0, "any of these"),
	ROW("size_above", SIZE, sb_when, size_above, NULL, 0, 0, "strictly"),
	ROW("size_below", SIZE, sb_when, size_below, NULL, 0, 0, "strictly"),
	ROW("detections_at_least", INT, sb_when, detections_at_least, NULL, 1, 1000, "engines"),
	ROW("file_type", TEXTS, sb_when, file_type, NULL, 0, 0,
		"what stands behind the name's last dot, any case"),
	ROW("mime", TEXTS, sb_when, mime, NULL, 0, 0, "patterns, any case"),
	ROW("engine", TEXTS, sb_when, engine, NULL, 0, 0, "with a detection or an error"),
	ROW("hash", TEXTS, sb_when, hash, NULL, 0, 0,
		"hex digests, or blake3:, sha256:, md5: and a digest"),
	ROW("cached", BOOL, sb_when, cached, NULL, 0, 0, "all answers came from the cache"),
	ROW("never", BOOL, sb_when, never, NULL, 0, 0, "true: matches nothing"),
	ROW("always", BOOL, sb_when, always, NULL, 0, 0, "true: matches everything"),
	END,
};

const sb_setting sb_window_rows[] = {
	ROW("days", TEXTS, sb_when_window, days, NULL, 0, 0, "mon, tue, …, or mon-fri; all"),
	ROW("from", TEXT, sb_when_window, from, "00:00", 0, 0, "HH:MM"),
	ROW("to", TEXT, sb_when_window, to, "24:00", 0, 0, "HH:MM, not included"),
	PICK("zone", sb_when_window, zone, "utc", WORDS("utc", "local"), "whose time it is"),
	END,
};

/* The facts in the order of their bits, then in the order of enum sb_condition. Each may also be
 * written into `when` itself: `container.encrypted: true`. */
#define FACT(k, n, h) ROW(k, BOOL, sb_when_container, facts[n], NULL, 0, 0, h)
const sb_setting sb_when_container_rows[] = {
	FACT("encrypted", 0, "a part could not be read without a password"),
	FACT("corrupt", 1, "a part is damaged"),
	FACT("limit", 2, "a limit ended the look inside"),
	FACT("unsupported", 3, "a part is packed in a way that can't be read"),
	FACT("macros", 4, "a document with macros"),
	FACT("autorun", 5, "macros that run by themselves"),
	FACT("embedded", 6, "embedded objects or attached files"),
	FACT("external", 7, "refers to templates or objects elsewhere"),
	FACT("javascript", 8, "a PDF with JavaScript"),
	FACT("launch", 9, "a PDF that starts programs"),
	ROW("type", TEXTS, sb_when_container, type, NULL, 0, 0, "zip, mail, …; any case"),
	ROW("depth_above", INT, sb_when_container, depth_above, NULL, 0, 1000, "strictly"),
	ROW("members_above", INT, sb_when_container, members_above, NULL, 0, 1e12, "strictly"),
	ROW("size_above", SIZE, sb_when_container, size_above, NULL, 0, 0, "unpacked, strictly"),
	END,
};
