/* SPDX-License-Identifier: MIT */
/*
 * The configuration from outside: every mistake has one message with its place, every limit is
 * tried on both sides, what `show` and `init` print is read back. The engines here are fakes,
 * so that only the configuration is under test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "engines/engines.h"
#include "util/error.h"

typedef struct fake {
	sb_texts address;
	const char *list, *word;
	int64_t level;
	bool given;
	uint64_t pause;
	int64_t depth;
} fake;

static const sb_setting fake_section[] = {
	{.key = "word",
		.type = SB_SETTING_TEXT,
		.offset = offsetof(fake, word),
		.required = true,
		.instead = "pause"},
	{.key = "pause",
		.type = SB_SETTING_DURATION,
		.offset = offsetof(fake, pause),
		.min = 1,
		.max = 9000,
		.operational = true},
	{.key = "depth",
		.type = SB_SETTING_INT,
		.offset = offsetof(fake, depth),
		.fallback = "3",
		.min = 0,
		.max = 5},
	{.key = NULL},
};

static const sb_setting fake_settings[] = {
	{.key = "section",
		.type = SB_SETTING_SECTION,
		.offset = offsetof(fake, given),
		.rows = fake_section},
	{.key = "address", .type = SB_SETTING_TEXTS, .offset = offsetof(fake, address)},
	{.key = "list", .type = SB_SETTING_PATH, .offset = offsetof(fake, list)},
	{.key = "level",
		.type = SB_SETTING_INT,
		.offset = offsetof(fake, level),
		.fallback = "7",
		.min = 1,
		.max = 9},
	{.key = NULL},
};

static int fake_open(void *state, sb_error *error)
{
	(void)state, (void)error;
	return 0;
}

static int fake_scan(void *state, sb_call *call, sb_error *error)
{
	(void)state, (void)call, (void)error;
	return 0;
}

static void fake_close(void *state)
{
	(void)state;
}

#define FAKE(type, bits)                                                                           \
	{                                                                                          \
		.abi = SB_ENGINE_ABI, .name = type, .state_size = sizeof(fake),                    \
		.settings = fake_settings, .flags = bits, .open = fake_open, .scan = fake_scan,    \
		.close = fake_close                                                                \
	}
static const sb_engine_ops mock = FAKE("mock", 0);
static const sb_engine_ops hashlist = FAKE("hashlist", SB_ENGINE_HASH_LIST);
static const sb_engine_ops own = FAKE("own", 0);
/* In builds with yara there is a worker. */
static const sb_setting yara_settings[] = {
	{.key = "rules", .type = SB_SETTING_PATHS, .offset = offsetof(fake, address)},
	{.key = NULL},
};
static const sb_engine_ops yara = {.abi = SB_ENGINE_ABI,
	.name = "yara",
	.state_size = sizeof(fake),
	.settings = yara_settings,
	.open = fake_open,
	.scan = fake_scan};
static bool with_yara;
const sb_engine_ops *const sb_builtin_engines[] = {&mock, &hashlist, NULL};
const char *const sb_absent_engines[] = {
	"clamd", "yara", "virustotal", "command", "icap", "plugin", NULL};

const sb_engine_ops *sb_engine_find(const char *type)
{
	for (size_t i = 0; sb_builtin_engines[i] != NULL; i++)
		if (strcmp(sb_builtin_engines[i]->name, type) == 0)
			return sb_builtin_engines[i];
	return with_yara && strcmp(type, "yara") == 0 ? &yara : NULL;
}

/* The configuration of a text, or NULL with the error. */
static sb_conf *built(const char *text, size_t length, sb_error *error)
{
	sb_config *config = sb_config_new();
	sb_conf *conf = NULL;

	sb_error_init(error);
	assert_non_null(config);
	if (sb_config_load_text(config, text, length, "t", error) == 0)
		(void)sb_conf_build(&conf, config, error);
	sb_config_free(config);
	return conf;
}

#define ENGINE(rest) "engines: [{name: a, type: mock, " rest "}]"
#define ENGINES(first, second)                                                                     \
	"engines: [{name: a, type: mock, " first "}, {name: b, type: mock, " second "}]"
#define D32 "0123456789ABCDEFabcdef0123456789"
#define D64 D32 D32
#define NOT4 "{not: {not: {not: {not: "
#define NOT16 "not: {not: {not: {not: " NOT4 NOT4 NOT4
#define END16 "}}}}}}}}}}}}}}}"
#define WHEN(rest) "policy: {rules: [{id: r, when: {" rest "}, then: allow}]}"

static const struct {
	const char *text, *message;
} bad[] = {
	/* YAML itself */
	{"a: [1, 2", "t:2:1: not valid YAML: flow sequence without a closing bracket"},
	{"limits: {}\nlimits: {}\n", "t:2:1: duplicate key \"limits\"; first given in line 1"},
	{"a: &x 1\n", "anchors"},
	{"limits: *x\n", "t:1:9: aliases"},
	{"limits: !!map {}\n", "tags"},
	{"--- {}\n--- {}\n", "only one document"},
	{"- 1\n", "t:1:1: the configuration must be a map"},
	{"? [a]\n: 1\n", "a key must be a plain word"},
	{"\"\": 1\n", "a key is empty"},
	{"user: \"a\\0b\"\n", "t:1:7: a text must not contain NUL"},
	{"a: \xff\n", "t:1:4: byte 0xff is not valid UTF-8"},
	{"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1", "nested too deeply"},
	/* keys */
	{"limts: {}\n", "t:1:1: unknown key \"limts\"; did you mean \"limits\"?"},
	{"limits:\n  tymeout: 1s\n",
		"t:2:3: limits: unknown key \"tymeout\"; did you mean \"timeout\"?"},
	{"limits: 3\n", "t:1:9: limits: a map of keys expected"},
	{"zzzzzzzzzz: 3\n", "t:1:1: unknown key \"zzzzzzzzzz\""},
	/* types and units */
	{"limits: {timeout: 30}\n", "t:1:19: limits.timeout: \"30\" needs a unit (ms, s, m, h, d)"},
	{"limits: {timeout: \"30\"}\n", "needs a unit"},
	{"limits: {timeout: 99999999999999999999d}\n", "is not a duration"},
	{"limits: {timeout: 5y}\n", "is not a duration"},
	{"limits: {timeout: off}\n", "is not a duration"},
	{"limits: {timeout: -1s}\n", "is not a duration"},
	{"limits: {timeout: [1s]}\n", "limits.timeout: a duration expected"},
	{"limits: {max_size: 1GB}\n", "is not a size"},
	{"limits: {max_size: 99999999999GiB}\n", "is not a size"},
	{"limits: {max_size: 1.5GiB}\n", "is not a size"},
	{"limits: {max_in_flight: many}\n", "is not a whole number"},
	{"limits: {max_in_flight: \"5\"}\n", "without quotes"},
	{"limits: {max_in_flight: 99999999999999999999}\n", "is not a whole number"},
	{"limits: {copy_unpinned: yes}\n", "t:1:25: limits.copy_unpinned: \"yes\" is neither"},
	{"audit: {enabled: off}\n", "is neither true nor false"},
	{"audit: {enabled: \"true\"}\n", "is a text; write true or false"},
	{"audit: {sync: often}\n", "is unknown; possible: group, each, none"},
	{"hashes: [sha1]\n", "hashes: \"sha1\" is unknown; possible: blake3, sha256, md5"},
	{"mime: never\n", "mime: \"never\" is unknown; possible: on_demand, always"},
	{"containers: {max_depth: 65}\n", "is out of range; 1 to 64"},
	{"containers: {max_member: 1GiB}\n", "max_member is larger than max_memory"},
	{"containers: {passwords: [a, \"\"]}\n",
		"t:1:25: containers.passwords: number 2 has not 1 to 1024 bytes"},
	{"containers: {password: a}\n", "did you mean \"passwords\"?"},
	{"hashes: {a: b}\n", "hashes: a text or a list of texts expected"},
	{"quarantine: {retention: 90}\n", "quarantine.retention: \"90\" needs a unit"},
	{"cache: {ttl: 1}\n", "needs a unit"},
	/* engines */
	{"engines: {}\n", "engines: a list expected"},
	{"engines: [{type: mock}]\n", "\"name\" is missing"},
	{"engines: [{name: a}]\n", "\"type\" is missing"},
	{"engines: [{name: a, type: mok}]\n",
		"t:1:27: engine type \"mok\" is unknown; did you mean \"mock\"?"},
	{"engines: [{name: a b, type: mock}]\n", "t:1:18: engine name \"a b\""},
	{"engines: [{name: a, type: mock}, {name: a, type: mock}]\n", "duplicate engine name"},
	{ENGINE("level: 10"), "is out of range; 1 to 9 is possible"},
	{ENGINE("lvel: 1"), "did you mean \"level\"?"},
	{ENGINE("role: boss"), "possible: required, optional, shadow"},
	{ENGINE("weight: .inf"), "is not a number"},
	{ENGINE("weight: 1e999"), "is not a number"},
	{ENGINE("retry: {multiplier: 0.5}"), "is out of range; 1 to 100"},
	{ENGINE("retry: {tries: 3}"), "retry: unknown key \"tries\""},
	{ENGINE("address: [a, [b]]"), "a text or a list of texts expected"},
	{ENGINE("section: word"), "section: a map of keys expected"},
	{ENGINE("section: [word]"), "section: a map of keys expected"},
	{ENGINE("section: {sord: a}"), "section: unknown key \"sord\"; did you mean \"word\"?"},
	{ENGINE("section: {pause: 10s}"), "section.pause: \"10s\" is out of range"},
	{ENGINE("section: {}"), "section: \"word\" or \"pause\" is missing"},
	{ENGINE("section: {word: a, pause: 1s}"),
		"section: \"word\" and \"pause\" exclude each other"},
	{ENGINE("sektion: {}"), "did you mean \"section\"?"},
	/* not yet */
	{"listeners: [{type: http, address: \"127.0.0.1:8080\"}]\n",
		"t:1:13: listeners are not available in this build"},
	{"listeners: [{type: http}]\n", "\"address\" is missing"},
	{"engines: [{name: y, type: yara}]\n", "type yara is not available in this build"},
	{"engines: [{name: v, type: virustotal, api_key_file: k, min_detections: x}]\n",
		"is not a whole number"},
	{"engines: [{name: v, type: virustotal, api_key_file: k}]\n",
		"virustotal is not available"},
	{"engines: [{name: c, type: command, argv: [a, \"{}\"], clean_exit: [0]}]\n",
		"command is not available"},
	{"engines: [{name: i, type: icap, url: \"icap://h/s\"}]\n", "icap is not available"},
	{"engines: [{name: p, type: plugin, path: /p.so}]\n", "plugin is not available"},
	{"user: scanbridge\n", "user is not available"},
	{"isolation: process\n", "isolation: process is not available"},
	{ENGINE("isolation: process"), "isolation: process is not available"},
	{"audit: {sinks: [syslog]}\n", "audit.sinks is not available"},
	{"decision: {strategy: quorum}\n", "decision.strategy: quorum needs a number"},
	{"decision: {strategy: weighted}\n", "weighted needs a weight"},
	{"engines: [{name: a, type: mock}]\ndecision: {strategy: quorum, quorum: 2}\n",
		"2:38: decision.quorum: 2 hits are needed, and the engines that decide are 1"},
	{"engines: [{name: a, type: mock}, {name: b, type: mock, role: shadow}]\n"
	 "decision: {strategy: quorum, quorum: 2}\n",
		"the engines that decide are 1"},
	{"engines: [{name: a, type: mock, weight: 0.5}]\n"
	 "decision: {strategy: weighted, threshold: 0.6}\n",
		"decision.threshold: 0.6 is needed, but the engines that decide weigh 0.5"},
	{ENGINE("breaker: {preset: strickt}"), "possible: default, strict, high_availability, off"},
	{ENGINE("breaker: {max_open: 29s}"), "t:1:"},
	{ENGINE("breaker: {max_open: 29s}"), "breaker.max_open is shorter than open"},
	{ENGINE("breaker: {preset: strict, open: 1h, max_open: 10m}"), "shorter than open"},
	{ENGINE("breaker: {failure_rate: 101}"), "failure_rate"},
	{ENGINE("breaker: {open: 30}"), "needs a unit"},
	{ENGINE("quota: {per_minute: -1}"), "quota.per_minute"},
	{ENGINE("quota: {per_minute: 1000001}"), "out of range"},
	{ENGINE("quota: {per_day: 1000000001}"), "out of range"},
	{ENGINE("quota: {per_hour: 1}"), "unknown key"},
	{ENGINE("quota: 4"), "quota"},
	{ENGINE("tier: 0"), "tier"},
	{ENGINE("tier: 65"), "out of range; 1 to 64"},
	{"decision: {next_tier: always}\n", "possible: on_doubt, unless_infected, on_suspicion"},
	{ENGINE("on_open: {fallback: b}"), "no engine is called \"b\""},
	{ENGINE("on_open: {fallback: a}"), "t:1:53: fallback: engine a is in the end its own"},
	{ENGINE("on_open: {fall_back: b}"), "did you mean \"fallback\"?"},
	{ENGINE("on_open: [fail_open]"), "expected"},
	{"engines: [{name: first, type: mock, on_open: {fallback: secnd}}, "
	 "{name: second, type: mock}]",
		"did you mean \"second\"?"},
	{ENGINES("on_open: {fallback: b}", "role: shadow"), "a shadow, which never decides"},
	{ENGINES("on_open: {fallback: b}", "on_open: {fallback: a}"),
		"fallback: engine a is in the end its own fallback"},
	{ENGINES("on_open: {fallback: b}", "on_open: {fallback: b}"),
		"fallback: engine b is in the end its own fallback"},
	{"engines:\n  - {name: a, type: mock, on_open: {fallback: l}}\n"
	 "  - {name: l, type: hashlist}\n",
		"t:2:47: fallback: engine l is a hash list"},
	{ENGINE("on_open: fail_shut"), "possible: fail_closed, fail_open"},
	/* decision and policy */
	{"decision: {ignore: [{threat: X, reason: r}]}\n", "\"until\" is missing"},
	{"decision: {ignore: [{threat: X, until: 2030-02-30, reason: r}]}\n", "is not a date"},
	{"decision: {ignore: [{threat: X, until: 2030-01-01}]}\n", "\"reason\" is missing"},
	{"policy: {preset: strickt}\n", "did you mean \"strict\"?"},
	{"policy: {file: a, preset: strict}\n", "policy.file stands alone"},
	{"policy: {file: /nowhere/p.yaml}\n", "/nowhere/p.yaml"},
	{WHEN(""), "a rule needs a condition"},
	{WHEN("always: false"), "can only be true"},
	{WHEN("always: true, never: true"), "not both"},
	{WHEN("outcome: []"), "the list is empty"},
	{WHEN("outcome: bad"), "\"bad\" is unknown"},
	{WHEN("error_kind: none"), "is unknown"},
	{WHEN("file_type: .exe"), "file_type: \".exe\": what stands behind the last dot"},
	{WHEN("file_type: [exe, \"\"]"), "file_type: \"\": what stands behind the last dot"},
	{WHEN("mime: []"), "mime: the list is empty"},
	{WHEN("container: true"), "container: a map of conditions expected"},
	{WHEN("container: {}"), "container: a map of conditions expected"},
	{WHEN("container: {type: []}"), "type: the list is empty"},
	{WHEN("container: {encrypted: yes}"), "container.encrypted: \"yes\" is neither"},
	{WHEN("container: {encripted: true}"),
		"container: unknown key \"encripted\"; did you mean \"encrypted\"?"},
	{WHEN("container.encripted: true"),
		"unknown key \"container.encripted\"; did you mean \"container.encrypted\"?"},
	{WHEN("container.depth_above: 2000"), "container.depth_above: \"2000\" is out of range"},
	{WHEN("container: {macros: true}, container.macros: false"),
		"t:1:60: the condition \"container.macros\" is given twice"},
	{WHEN("hash: x"), "t:1:39: hash: \"x\" is no digest"},
	{WHEN("hash: md5:" D64), "is no digest"},
	{WHEN("hash: blake3:xx" D32), "is no digest"},
	{WHEN("hash: []"), "hash: the list is empty"},
	{WHEN("engine: []"), "engine: the list is empty"},
	{WHEN("cached: perhaps"), "neither true nor false"},
	{WHEN("metadata: x"), "metadata: a map of 1 to 64 keys"},
	{WHEN("metadata: {}"), "metadata: a map of 1 to 64 keys"},
	{WHEN("metadata: {k: }"), "metadata.k: a value expected"},
	{WHEN("metadata: {k: []}"), "metadata.k: a value expected"},
	{WHEN("metadata: {k: {a: b}}"), "a text or a list of texts expected"},
	{WHEN("time: []"), "time: the list is empty"},
	{WHEN("time: night"), "a map of keys expected"},
	{WHEN("time: {days: monday}"), "\"monday\" is no day"},
	{WHEN("time: {days: mon-}"), "\"mon-\" is no day"},
	{WHEN("time: {from: \"8:00\"}"), "time.from: \"8:00\" is no time of day"},
	{WHEN("time: {to: \"24:01\"}"), "time.to: \"24:01\" is no time of day"},
	{WHEN("time: {from: \"12:60\"}"), "is no time of day"},
	{WHEN("time: {from: \"12:00\", to: \"12:00\"}"), "from and to are the same"},
	{WHEN("time: {from: \"24:00\", to: \"00:00\"}"), "from and to are the same"},
	{WHEN("time: {zone: mars}"), "time.zone: \"mars\" is unknown; possible: utc, local"},
	{WHEN("all: []"), "all: the list is empty"},
	{WHEN("any: []"), "any: the list is empty"},
	{WHEN("not: []"), "not: the list is empty"},
	{WHEN("any: {outcome: clean}"), "any: a list of conditions expected"},
	{WHEN("all: [{}]"), "a rule needs a condition"},
	{WHEN("not: {}"), "a rule needs a condition"},
	{WHEN("not: x"), "when: a map of keys expected"},
	{WHEN("any: [{outcom: clean}]"), "did you mean \"outcome\"?"},
	{WHEN("not: {any: [{all: [{outcome: fine}]}]}"), "t:1:62: outcome: \"fine\" is unknown"},
	{WHEN(NOT16 "{not: {always: true}}" END16), "not: nested too deeply: 16 levels"},
	{WHEN("always: false"), "always and never can only be true"},
	{WHEN("always: true, never: true"), "always and never can only be true"},
	{WHEN("outcom: clean"), "did you mean \"outcome\"?"},
	{"policy: {rules: [{id: r, when: {always: true}, then: pass}]}\n", "is no action"},
	{"policy: {rules: [{when: {always: true}, then: block}]}\n", "\"id\" is missing"},
	{"policy: {rules: [{id: r, when: {always: true}}]}\n", "\"then\" is missing"},
	{"policy: {rules: [{id: r, when: {never: true}, then: block}, "
	 "{id: r, when: {never: true}, then: block}]}\n",
		"duplicate rule id \"r\""},
	{"policy: {preset: default, rules: [{id: clean, when: {never: true}, then: block}]}\n",
		"duplicate rule id \"clean\""},
};

static void every_mistake_has_its_message(void **state)
{
	sb_error error;
	int wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		sb_conf *conf = built(bad[i].text, strlen(bad[i].text), &error);
		if (conf != NULL || strstr(error.message, bad[i].message) == NULL) {
			print_error("%s\nexpected: %s\ngot: %s\n", bad[i].text, bad[i].message,
				conf != NULL ? "no error" : error.message);
			wrong++;
		}
		sb_conf_free(conf);
	}
	assert_int_equal(wrong, 0);
}

static const char *const good[] = {
	"",
	"# nothing\n",
	"{\"limits\": {\"timeout\": \"30s\"}}",
	"limits: {max_in_flight: 010}\n",
	"limits:\n",
	"quarantine: {enabled: false, retention: off}\ncache: {enabled: false}\n",
	"listeners: []\naudit: {sinks: []}\nisolation: none\nuser: null\n",
	"engines: []\n",
	ENGINE("breaker: {preset: off}, retry: {attempts: 1}, on_open: fail_closed"),
	ENGINE("breaker: {preset: high_availability, open: 1h, slow_call: 3s, window: 1m}, "
	       "on_open: fail_open, fallback_on: open"),
	ENGINE("quota: {per_minute: 1000000, per_day: 1000000000}, tier: 64"),
	"decision: {next_tier: on_suspicion}\n",
	ENGINES("on_open: {fallback: b}, breaker: {preset: strict}",
		"on_open: fail_open, breaker: {failure_rate: 0, minimum_calls: 7}"),
	ENGINE("section: {word: a}"),
	ENGINE("section: {pause: 3s}"),
	ENGINE("self_test: x/probe.bin, max_signature_age: 7d, level: 0x9, isolation: none"),
	"policy: {preset: strict, rules: [{id: r, priority: -5, when: {threat_name: [A*, 'B?'], "
	"size_above: 1KiB, error_class: engine, error_kind: [timeout], severity_at_least: low}, "
	"then: {action: quarantine, reason: \"a \\\"b\\\"\"}}]}\n",
	WHEN("always: true"),
	"mime: always\ncontainers: {max_depth: 3, max_members: 5, max_ratio: 7}\n",
	"policy: {preset: mail, rules: [{id: r, when: {file_type: [EXE, js], mime: 'a/*', "
	"container: {type: [zip, mail], encrypted: true, macros: false, launch: true, "
	"depth_above: 0, members_above: 12, size_above: 1KiB}}, then: block}]}\n",
	WHEN("container.size_above: 1, container: {limit: false}"),
	WHEN("engine: [a, b], hash: [" D64 ", 'sha256:" D64 "', \"md5:" D32 "\", " D32
	     "], cached: false"),
	WHEN("metadata: {k: v*, \"a b\": [c, '\"']}, time: {days: [mon-fri, sun], from: \"22:00\", "
	     "to: "
	     "\"06:30\", zone: local}"),
	WHEN("time: [{days: sat-mon}, {from: \"08:00\", to: \"24:00\"}], outcome: clean"),
	WHEN("any: [{all: [{outcome: clean}, {not: {tenant: x}}]}, {not: [{user: a}, {never: "
	     "true}]}, "
	     "{always: true}], not: {container.macros: true}"),
	WHEN(NOT16 "{always: true}" END16),
	("decision: {ignore: [{engine: a, threat: X, until: 2030-01-02T03:04:05.5+02:00, "
	 "reason: r}, {threat: Y, until: 2030-12-31, reason: s}]}\n"),
};

/* What show prints is a configuration with the same digest. */
static void show_is_read_back(void **state)
{
	sb_error error;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		sb_config *config = sb_config_new();
		sb_conf *first, *again;
		sb_buf text;

		first = built(good[i], strlen(good[i]), &error);
		if (first == NULL)
			fail_msg("%s: %s", good[i], error.message);
		sb_buf_init(&text, 1 << 20);
		assert_int_equal(
			sb_config_load_text(config, good[i], strlen(good[i]), "t", &error), 0);
		assert_int_equal(sb_config_show(config, &text, &error), 0);
		again = built(text.data, text.length, &error);
		if (again == NULL)
			fail_msg("%s: %s", text.data, error.message);
		assert_memory_equal(first->digest, again->digest, sizeof first->digest);
		sb_conf_free(first);
		sb_conf_free(again);
		sb_buf_done(&text);
		sb_config_free(config);
	}
}

static void starter_is_valid(void **state)
{
	sb_conf *conf;
	sb_error error;
	sb_buf text;

	(void)state;
	sb_buf_init(&text, 1 << 20);
	sb_config_starter(&text);
	conf = built(text.data, text.length, &error);
	assert_non_null(conf);
	assert_int_equal(conf->limits.timeout_ms, 120000);
	sb_conf_free(conf);
	sb_buf_done(&text);
}

static const struct {
	const char *key, *value;
	bool ok;
} ranges[] = {
	{"limits.max_in_flight", "0", false},
	{"limits.max_in_flight", "1", true},
	{"limits.max_in_flight", "65536", true},
	{"limits.max_in_flight", "65537", false},
	{"limits.timeout", "0ms", false},
	{"limits.timeout", "1ms", true},
	{"limits.timeout", "30d", true},
	{"limits.timeout", "31d", false},
	{"limits.max_size", "0", false},
	{"limits.max_size", "1", true},
	{"decision.min_engines", "0", false},
	{"decision.min_engines", "1", true},
	{"decision.min_engines", "64", true},
	{"decision.min_engines", "65", false},
	{"containers.max_depth", "0", false},
	{"containers.max_depth", "1", true},
	{"containers.max_depth", "64", true},
	{"containers.max_members", "0", false},
	{"containers.max_members", "1", true},
	{"containers.max_memory", "128MiB", true},
	{"containers.max_memory", "127MiB", false},
	{"containers.max_ratio", "0", false},
	{"containers.max_ratio", "1000000", true},
	{"limits..timeout", "1s", false},
	{"", "1", false},
};

static const struct {
	const char *breaker;
	sb_breaker_rules rules;
} breakers[] = {
#define S 1000000000ull
	{"{}", {true, 5, 50, 20, 30 * S, 0, 3, 1, 30 * S, 600 * S}},
	{"{preset: default}", {true, 5, 50, 20, 30 * S, 0, 3, 1, 30 * S, 600 * S}},
	{"{preset: strict}", {true, 3, 50, 20, 30 * S, 0, 5, 1, 60 * S, 600 * S}},
	{"{preset: high_availability}", {true, 10, 50, 20, 30 * S, 0, 2, 3, 10 * S, 600 * S}},
	{"{preset: off}", {false, 5, 50, 20, 30 * S, 0, 3, 1, 30 * S, 600 * S}},
	{"{preset: strict, failure_threshold: 9}",
		{true, 9, 50, 20, 30 * S, 0, 5, 1, 60 * S, 600 * S}},
	{"{open: 11m}", {true, 5, 50, 20, 30 * S, 0, 3, 1, 660 * S, 660 * S}},
	{"{open: 2s, max_open: 2s}", {true, 5, 50, 20, 30 * S, 0, 3, 1, 2 * S, 2 * S}},
	{"{failure_rate: 0, minimum_calls: 3, window: 1s, slow_call: 2s, half_open_probes: 4}",
		{true, 5, 0, 3, 1 * S, 2 * S, 3, 4, 30 * S, 600 * S}},
#undef S
};

static void presets_are_defaults(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof breakers / sizeof breakers[0]; i++) {
		const sb_breaker_rules *want = &breakers[i].rules, *got;
		char text[256];
		sb_error error;
		sb_conf *conf;

		snprintf(text, sizeof text, "engines: [{name: a, type: mock, breaker: %s}]",
			breakers[i].breaker);
		conf = built(text, strlen(text), &error);
		if (conf == NULL)
			fail_msg("%s: %s", text, error.message);
		got = &conf->engines[0].breaker;
		if (got->automatic != want->automatic ||
			got->failure_threshold != want->failure_threshold ||
			got->failure_rate != want->failure_rate ||
			got->minimum_calls != want->minimum_calls ||
			got->window_ns != want->window_ns || got->slow_ns != want->slow_ns ||
			got->success_threshold != want->success_threshold ||
			got->half_open_probes != want->half_open_probes ||
			got->open_ns != want->open_ns || got->max_open_ns != want->max_open_ns)
			fail_msg("%s", breakers[i].breaker);
		sb_conf_free(conf);
	}
}

static void limits_hold_on_both_sides(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
		sb_config *config = sb_config_new();
		sb_conf *conf = NULL;
		sb_error error;
		int rc = sb_config_set(config, ranges[i].key, ranges[i].value, &error);

		if (rc == 0)
			rc = sb_conf_build(&conf, config, &error);
		if ((rc == 0) != ranges[i].ok)
			fail_msg("%s: %s", ranges[i].key, ranges[i].value);
		sb_conf_free(conf);
		sb_config_free(config);
	}
}

/* A preset stands whole behind rules of one's own, whatever their priority. */
static void a_preset_stands_behind_rules(void **state)
{
	const char text[] = "policy: {preset: mail, rules: [{id: r, priority: -1000000, when: "
			    "{outcome: infected, container: {type: zip}}, then: block}]}\n";
	static const sb_container zip = {.type = "zip"};
	static const struct {
		sb_facts facts;
		const char *rule;
	} rows[] = {
		{{.outcome = SB_OUTCOME_INFECTED, .container = &zip}, "r"},
		{{.outcome = SB_OUTCOME_INFECTED}, "infected"},
		{{.outcome = SB_OUTCOME_ERROR, .error_kind = SB_KIND_ENCRYPTED}, "encrypted"},
		{{.outcome = SB_OUTCOME_ERROR, .error_kind = SB_KIND_TIMEOUT}, "error"},
		{{.outcome = SB_OUTCOME_CLEAN}, "clean"},
	};
	sb_error error;
	sb_conf *conf = built(text, strlen(text), &error);

	(void)state;
	assert_non_null(conf);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		sb_policy_decision got;

		sb_policy_evaluate(conf->policy, &rows[i].facts, &got);
		assert_string_equal(got.rule_id, rows[i].rule);
	}
	sb_conf_free(conf);
}

static void containers_have_limits_and_passwords(void **state)
{
	const char text[] = "containers: {max_size: 7MiB, passwords: [infected, 'x y']}\n";
	sb_error error;
	sb_conf *conf = built("", 0, &error);

	(void)state;
	assert_non_null(conf);
	assert_int_equal(conf->containers.limits.max_depth, 16);
	assert_int_equal(conf->containers.limits.max_members, 10000);
	assert_int_equal(conf->containers.limits.max_bytes, 1 << 30);
	assert_int_equal(conf->containers.limits.max_member, 128 << 20);
	assert_int_equal(conf->containers.limits.max_memory, 192 << 20);
	assert_int_equal(conf->containers.limits.max_ratio, 100);
	assert_null(conf->containers.passwords[0]);
	assert_false(conf->mime_always);
	sb_conf_free(conf);
	conf = built(text, strlen(text), &error);
	assert_non_null(conf);
	assert_int_equal(conf->containers.limits.max_bytes, 7 << 20);
	assert_string_equal(conf->containers.passwords[0], "infected");
	assert_string_equal(conf->containers.passwords[1], "x y");
	assert_null(conf->containers.passwords[2]);
	sb_conf_free(conf);
}

static void passwords_are_bounded(void **state)
{
	char text[8192];
	sb_error error;

	(void)state;
	for (size_t length = 1023; length <= 1025; length++) {
		snprintf(text, sizeof text, "containers: {passwords: [%0*d]}\n", (int)length, 1);
		sb_conf *conf = built(text, strlen(text), &error);
		assert_int_equal(conf != NULL, length <= 1024);
		sb_conf_free(conf);
	}
	for (size_t count = 64; count <= 65; count++) {
		size_t used = (size_t)snprintf(text, sizeof text, "containers: {passwords: [p");
		for (size_t i = 1; i < count; i++)
			used += (size_t)snprintf(text + used, sizeof text - used, ", p");
		snprintf(text + used, sizeof text - used, "]}\n");
		sb_conf *conf = built(text, strlen(text), &error);
		assert_int_equal(conf != NULL, count == 64);
		sb_conf_free(conf);
	}
}

/* Nobody sees them, but another password is another configuration. */
static void passwords_are_hidden(void **state)
{
	const char *const texts[] = {"containers: {passwords: [swordfish]}\n",
		"containers: {passwords: [sardine]}\n", "containers: {passwords: []}\n"};
	uint8_t digests[3][32];
	sb_error error;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		sb_config *config = sb_config_new();
		sb_conf *conf = built(texts[i], strlen(texts[i]), &error), *again;
		sb_buf shown;

		memcpy(digests[i], conf->digest, 32);
		sb_conf_free(conf);
		sb_buf_init(&shown, 1 << 20);
		assert_int_equal(
			sb_config_load_text(config, texts[i], strlen(texts[i]), "t", &error), 0);
		assert_int_equal(sb_config_show(config, &shown, &error), 0);
		assert_null(strstr(shown.data, "swordfish"));
		assert_null(strstr(shown.data, "sardine"));
		assert_int_equal(strstr(shown.data, "# passwords: [***]") != NULL, i < 2);
		again = built(shown.data, shown.length, &error); /* without any */
		assert_non_null(again);
		assert_null(again->containers.passwords[0]);
		sb_conf_free(again);
		sb_buf_done(&shown);
		sb_config_free(config);
	}
	assert_memory_not_equal(digests[0], digests[1], 32);
	assert_memory_not_equal(digests[0], digests[2], 32);
}

/* --- Sections of an engine's type --------------------------------------------------------- */

static void engine_sections(void **state)
{
	static const char *const texts[] = {ENGINE("level: 7"), ENGINE("section: {pause: 3s}"),
		ENGINE("section: {pause: 4s}"), ENGINE("section: {word: a}"),
		ENGINE("section: {word: b}")};
	sb_conf *confs[5];
	const fake *values[5];
	sb_error error;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		confs[i] = built(texts[i], strlen(texts[i]), &error);
		assert_non_null(confs[i]);
		values[i] = confs[i]->engines[0].settings;
		assert_int_equal(values[i]->given, i > 0);
	}
	assert_int_equal(values[0]->depth, 3);
	assert_int_equal(values[0]->pause, 0);
	assert_null(values[0]->word);
	assert_int_equal(values[1]->pause, 3000);
	assert_int_equal(values[3]->depth, 3);
	assert_string_equal(values[3]->word, "a");
	/* What verdicts don't depend on changes no identity; that it is there does. */
	assert_memory_equal(confs[1]->engines[0].judging, confs[2]->engines[0].judging, 32);
	assert_memory_not_equal(confs[0]->engines[0].judging, confs[1]->engines[0].judging, 32);
	assert_memory_not_equal(confs[2]->engines[0].judging, confs[3]->engines[0].judging, 32);
	assert_memory_not_equal(confs[3]->engines[0].judging, confs[4]->engines[0].judging, 32);
	for (size_t i = 0; i < 5; i++)
		sb_conf_free(confs[i]);
}

/* --- With yara, and the worker that comes with it ----------------------------------------- */

static sb_conf *built_with_yara(const char *text)
{
	sb_error error;
	sb_conf *conf;

	with_yara = true;
	conf = built(text, strlen(text), &error);
	with_yara = false;
	if (conf == NULL)
		fail_msg("%s: %s", text, error.message);
	return conf;
}

static void isolation_is_inherited(void **state)
{
	static const struct {
		const char *text;
		bool worker, process;
	} rows[] = {
		{ENGINE("level: 1"), true, true},
		{ENGINE("level: 1"), false, false},
		{"isolation: none\n" ENGINE("level: 1"), true, false},
		{"isolation: none\n" ENGINE("isolation: process"), true, true},
		{"isolation: process\n" ENGINE("isolation: none"), true, false},
		{ENGINE("isolation: none"), false, false},
	};
	sb_error error;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		sb_conf *conf = rows[i].worker ? built_with_yara(rows[i].text)
					       : built(rows[i].text, strlen(rows[i].text), &error);
		assert_non_null(conf);
		assert_int_equal(conf->engines[0].isolation_process, rows[i].process);
		sb_conf_free(conf);
	}
}

static void yara_is_the_default(void **state)
{
	sb_conf *conf = built_with_yara("");

	(void)state;
	assert_int_equal(conf->engine_count, 1);
	assert_string_equal(conf->engines[0].name, "yara");
	assert_int_equal(conf->engines[0].role, SB_ROLE_REQUIRED);
	assert_int_equal(conf->engines[0].concurrency, 4);
	assert_string_equal(conf->engines[0].self_test, "eicar");
	assert_non_null(strstr(conf->notices[0], "rules alone are no antivirus"));
	sb_conf_free(conf);
	conf = built_with_yara("decision: {min_assurance: rules}\n");
	for (size_t i = 0; i < conf->notice_count; i++)
		assert_null(strstr(conf->notices[i], "antivirus"));
	sb_conf_free(conf);
}

static void rules_of_ones_own_need_not_know_eicar(void **state)
{
	static const struct {
		const char *keys, *self_test;
	} rows[] = {{"rules: /r", "builtin"}, {"role: optional", "eicar"},
		{"rules: /r, self_test: eicar", "eicar"}, {"self_test: \"off\"", "off"}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[128];
		sb_conf *conf;

		snprintf(text, sizeof text, "engines: [{name: y, type: yara, %s}]", rows[i].keys);
		conf = built_with_yara(text);
		assert_string_equal(conf->engines[0].self_test, rows[i].self_test);
		sb_conf_free(conf);
	}
}

static void later_values_replace_earlier_ones(void **state)
{
	sb_config *config = sb_config_new();
	sb_conf *conf;
	sb_error error;
	const char text[] = "limits: {timeout: 5s, max_size: 7}\nengines: []\n";

	(void)state;
	assert_int_equal(sb_config_register_engine(config, &own, &error), 0);
	assert_int_not_equal(sb_config_register_engine(config, &own, &error), 0);
	assert_int_equal(sb_config_load_text(config, text, strlen(text), "t", &error), 0);
	assert_int_equal(sb_config_set(config, "limits.timeout", "9s", &error), 0);
	assert_int_equal(sb_config_set_text(config, "data_dir", "/a: b # c", &error), 0);
	assert_int_equal(sb_config_add_engine(config, "{name: o, type: own, list: /x}", &error), 0);
	assert_int_equal(sb_config_add_engine(config, "{name: h, type: hashlist}", &error), 0);
	assert_int_equal(sb_conf_build(&conf, config, &error), 0);
	sb_config_free(config); /* the result stands alone */
	assert_int_equal(conf->limits.timeout_ms, 9000);
	assert_int_equal(conf->limits.max_size, 7);
	assert_string_equal(conf->data_dir, "/a: b # c");
	assert_string_equal(conf->audit.file, "/a: b # c/audit.jsonl");
	assert_int_equal(conf->engine_count, 2);
	assert_int_equal(conf->engines[0].role, SB_ROLE_REQUIRED);
	assert_string_equal(conf->engines[0].self_test, "eicar");
	assert_string_equal(((fake *)conf->engines[0].settings)->list, "/x");
	assert_int_equal(((fake *)conf->engines[0].settings)->level, 7);
	assert_int_equal(conf->engines[1].role, SB_ROLE_OPTIONAL);
	assert_string_equal(conf->engines[1].self_test, "off");
	sb_conf_free(conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mistake_has_its_message),
		cmocka_unit_test(show_is_read_back),
		cmocka_unit_test(starter_is_valid),
		cmocka_unit_test(presets_are_defaults),
		cmocka_unit_test(limits_hold_on_both_sides),
		cmocka_unit_test(a_preset_stands_behind_rules),
		cmocka_unit_test(containers_have_limits_and_passwords),
		cmocka_unit_test(passwords_are_bounded),
		cmocka_unit_test(passwords_are_hidden),
		cmocka_unit_test(isolation_is_inherited),
		cmocka_unit_test(yara_is_the_default),
		cmocka_unit_test(rules_of_ones_own_need_not_know_eicar),
		cmocka_unit_test(engine_sections),
		cmocka_unit_test(later_values_replace_earlier_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
