/* SPDX-License-Identifier: MIT */
/*
 * VirusTotal, API v3. What leaves the house is the SHA-256 of a content, in a lookup; the content
 * itself only where `upload` says so, never when it is confidential, and on record before.
 *
 *   submit   lookup ──── known ──────────────────────────────────► statement
 *              │ to be uploaded
 *   poll     (large: fetch an upload URL) → upload → analysis … → statement
 *
 * Every submit() and poll() is one request: what limits requests counts them rightly.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engines/virustotal/virustotal.h"
#include "util/hash.h"
#include "util/text.h"
#include "util/uuid.h"

/* 32 MB with one request, 650 MB by an upload URL: decimal, as nobody says otherwise. */
static const uint64_t direct_max = 32000000, upload_max = 650000000;

enum upload { UPLOAD_NEVER = 0, UPLOAD_UNKNOWN, UPLOAD_ALWAYS };
enum { LOST_POLLS = 3, WEIGHTS_MAX = 64, NOW_MS = 1 };

typedef struct virustotal {
	/* settings */
	const char *api_key_file, *base_url, *ca_file;
	int upload;
	int64_t min_detections, min_voters;
	uint64_t max_age_ms, poll_interval_ms;
	sb_texts vendor_weights;
	/* made by open() */
	sb_vt_secret secret;
	sb_vt_service service;
	bool serves; /* the service was opened */
	sb_vt_url base;
	sb_vt_weight *weights;
	size_t weight_count;
} virustotal;

static const char *const uploads[] = {"never", "unknown", "always", NULL};

static const sb_setting settings[] = {
	{"api_key_file", SB_SETTING_PATH, offsetof(virustotal, api_key_file), .required = true,
		.operational = true,
		.help = "file that holds the API key, mode 0600; or a descriptor, as /dev/fd/N"},
	{"base_url", SB_SETTING_TEXT, offsetof(virustotal, base_url),
		"https://www.virustotal.com/api/v3",
		.help = "the API; https, or http on this machine"},
	{"ca_file", SB_SETTING_PATH, offsetof(virustotal, ca_file), .operational = true,
		.help = "certificates that the API's has to lead to; default: the system's"},
	{"upload", SB_SETTING_CHOICE, offsetof(virustotal, upload), "never", .choices = uploads,
		.help = "give content to VirusTotal and its partners: never, unknown (what it "
			"doesn't know), or always (what it doesn't call infected)"},
	{"min_detections", SB_SETTING_INT, offsetof(virustotal, min_detections), "3", 1, 1000,
		.help = "weight of the vendors that must call it malicious; less is suspicious"},
	{"min_voters", SB_SETTING_INT, offsetof(virustotal, min_voters), "10", 1, 1000,
		.help = "vendors that must have looked before clean is believed"},
	{"max_age", SB_SETTING_DURATION, offsetof(virustotal, max_age_ms), "90d", 0, 315360000000.,
		.help = "older analyses prove nothing clean; off: any age"},
	{"vendor_weights", SB_SETTING_TEXTS, offsetof(virustotal, vendor_weights),
		.help = "what a vendor's hit counts, as VENDOR=WEIGHT: 0 ignores it; default 1"},
	{"poll_interval", SB_SETTING_DURATION, offsetof(virustotal, poll_interval_ms), "20s", 10,
		3600000, .operational = true, .help = "from one look at an analysis to the next"},
	{.key = NULL},
};

/* --- Opening -----------------------------------------------------------------------------------
 */

/* `1`, `0.5`, `20`: at most three digits on either side. */
static bool parse_weight(const char *text, double *out)
{
	size_t whole = strspn(text, "0123456789"), rest = 0;
	double unit = 1;

	*out = 0;
	for (size_t i = 0; i < whole; i++)
		*out = *out * 10 + (text[i] - '0');
	if (text[whole] == '.') {
		rest = strspn(text + whole + 1, "0123456789");
		for (size_t i = 0; i < rest; i++)
			*out += (text[whole + 1 + i] - '0') * (unit /= 10);
		if (rest == 0)
			return false;
		rest++;
	}
	return whole > 0 && whole <= 3 && rest <= 4 && text[whole + rest] == '\0';
}

static int read_weight(sb_vt_weight *out, const char *text, sb_error *error)
{
	const char *equals = strrchr(text, '=');

	if (equals == NULL || equals == text || !parse_weight(equals + 1, &out->weight))
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"vendor_weights: %.80s: VENDOR=WEIGHT expected, like Acme=0.5", text);
	out->vendor = strndup(text, (size_t)(equals - text));
	return out->vendor != NULL ? 0 : sb_error_set(error, SB_KIND_INTERNAL, 0, "out of memory");
}

static int read_weights(virustotal *vt, sb_error *error)
{
	const sb_texts *texts = &vt->vendor_weights;
	int status = 0;

	if (texts->count > WEIGHTS_MAX)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"vendor_weights: more than %d vendors", WEIGHTS_MAX);
	vt->weights = calloc(texts->count + 1, sizeof *vt->weights);
	if (vt->weights == NULL)
		return sb_error_set(error, SB_KIND_INTERNAL, 0, "out of memory");
	for (size_t i = 0; status == 0 && i < texts->count; i++) {
		status = read_weight(&vt->weights[i], texts->items[i], error);
		vt->weight_count += status == 0;
	}
	return status;
}

static int check_base(virustotal *vt, sb_error *error)
{
	if (!sb_vt_url_parse(&vt->base, vt->base_url) || strchr(vt->base_url, '?') != NULL)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"base_url: an address like https://HOST/api/v3 expected");
	if (!vt->base.tls && !sb_vt_url_is_loopback(&vt->base))
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"base_url: the key must not travel without TLS: https expected");
	return 0;
}

static int virustotal_open(void *state, sb_error *error)
{
	virustotal *vt = state;
	int status = check_base(vt, error);

	if (status == 0)
		status = read_weights(vt, error);
	if (status == 0)
		status = sb_vt_secret_load(&vt->secret, vt->api_key_file, error);
	if (status < 0)
		return status;
	vt->service =
		(sb_vt_service){.secret = &vt->secret, .ca_file = vt->ca_file, .tls = vt->base.tls};
	vt->serves = true;
	return sb_vt_service_open(&vt->service, error);
}

static void virustotal_close(void *state)
{
	virustotal *vt = state;

	if (vt->serves)
		sb_vt_service_close(&vt->service);
	sb_vt_secret_forget(&vt->secret);
	for (size_t i = 0; i < vt->weight_count; i++)
		free((char *)(uintptr_t)vt->weights[i].vendor);
	free(vt->weights);
}

/* --- Asking -------------------------------------------------------------------------------------
 */

enum step { STEP_URL, STEP_UPLOAD, STEP_ANALYSIS };

typedef struct ticket {
	enum step step;
	char sha256[2 * SB_SHA256_SIZE + 1];
	char url[SB_VT_URL_MAX + 1]; /* STEP_UPLOAD */
	char id[SB_VT_ID_MAX + 1];   /* STEP_ANALYSIS */
	unsigned lost;               /* looks at the analysis that failed, in a row */
} ticket;

static int address(const virustotal *vt, char *out, size_t room, const char *path, const char *what,
	sb_error *error)
{
	size_t length = strlen(vt->base_url);

	while (length > 0 && vt->base_url[length - 1] == '/')
		length--;
	if (snprintf(out, room, "%.*s/%s%s", (int)length, vt->base_url, path, what) < (int)room)
		return 0;
	return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0, "base_url: is too long");
}

/* 0 with an answer, to be ended with sb_vt_answer_done(); or -kind. */
static int ask(virustotal *vt, sb_call *call, const char *url, const char *file_name,
	const ticket *own, sb_vt_question question, sb_vt_answer *answer, sb_error *error)
{
	const sb_vt_terms terms = {
		.question = question,
		.sha256 = own->sha256,
		.id = own->id,
		.min_detections = (double)vt->min_detections,
		.min_voters = vt->min_voters,
		.now = time(NULL),
		.max_age = (int64_t)(vt->max_age_ms / 1000),
		.weights = vt->weights,
		.weight_count = vt->weight_count,
	};
	sb_vt_reply reply;
	int status = sb_vt_ask(&vt->service, call, url, file_name, &reply, error);

	if (status == 0)
		sb_vt_judge(answer, reply.status, reply.retry_after, &reply.body, &terms);
	sb_vt_body_end(&reply.body);
	return status < 0 ? sb_error_prefix(error, "%s", vt->base.host) : 0;
}

/* --- Statements ---------------------------------------------------------------------------------
 */

/* Its own words stand behind the host that said them. */
static int state_failure(
	const virustotal *vt, sb_call *call, const sb_vt_answer *answer, sb_error *error)
{
	if (answer->kind == SB_KIND_FILE_TOO_LARGE)
		return sb_call_abstain(
			call, answer->kind, error, "%s: %s", vt->base.host, answer->message);
	sb_error_set(error, answer->kind, 0, "%s: %s%s", vt->base.host, answer->message,
		answer->kind == SB_KIND_AUTHENTICATION_FAILED
			? "; put a valid key into api_key_file"
			: "");
	if (answer->retry_after >= 0)
		sb_error_set_retry_after_ms(error, answer->retry_after * 1000);
	return -(int)answer->kind;
}

static int state_hit(
	sb_call *call, const sb_vt_answer *answer, const sb_vt_hit *hit, sb_error *error)
{
	bool infected = answer->says == SB_VT_INFECTED && hit->malicious;
	const char *name = hit->name != NULL && hit->name[0] != '\0' ? hit->name : "Unnamed";
	char description[256];
	sb_threat threat = {
		.name = name,
		.name_length = strlen(name),
		.severity = hit->malicious ? SB_SEVERITY_HIGH : SB_SEVERITY_MEDIUM,
		.category = hit->malicious ? "malicious" : "suspicious",
		.signature_id = hit->vendor,
		.description = description,
	};

	snprintf(description, sizeof description, "says %.100s %.60s, updated %.60s", hit->vendor,
		hit->version != NULL ? hit->version : "", hit->update != NULL ? hit->update : "?");
	if (infected)
		return sb_call_infected(call, &threat, error);
	return sb_call_suspicious(call, &threat,
		(double)(answer->malicious + answer->suspicious) / (double)answer->voters, error);
}

/* The counters tell of hits, the list names none. */
static sb_vt_hit nameless(const sb_vt_answer *answer)
{
	return (sb_vt_hit){
		.vendor = "VirusTotal",
		.name = "VirusTotal.Detections",
		.malicious = answer->malicious > 0,
	};
}

static int state_hits(sb_call *call, const sb_vt_answer *answer, sb_error *error)
{
	const sb_vt_hit one = nameless(answer);
	int status = answer->hit_count == 0 ? state_hit(call, answer, &one, error) : 0;

	sb_call_cover(call, sb_call_size(call), SB_CONTENT_UNKNOWN);
	for (size_t i = 0; status == 0 && i < answer->hit_count; i++)
		status = state_hit(call, answer, &answer->hits[i], error);
	return status;
}

static int state(virustotal *vt, sb_call *call, const sb_vt_answer *answer, sb_error *error)
{
	char analysed[64] = "", day[32];
	time_t date = (time_t)answer->date;
	struct tm utc;

	if (answer->date > 0 && gmtime_r(&date, &utc) != NULL &&
		strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%SZ", &utc) > 0)
		snprintf(analysed, sizeof analysed, "analysed %s", day);
	switch (answer->says) {
	case SB_VT_CLEAN:
		sb_call_versions(call, "API v3", analysed);
		return sb_call_clean(call, sb_call_size(call), SB_CONTENT_UNKNOWN, error);
	case SB_VT_SUSPICIOUS:
	case SB_VT_INFECTED:
		sb_call_versions(call, "API v3", analysed);
		return state_hits(call, answer, error);
	case SB_VT_NO_OPINION:
		return sb_call_abstain(
			call, SB_KIND_UNSUPPORTED, error, "no opinion: %s", answer->message);
	case SB_VT_UNKNOWN:
		return sb_call_abstain(call, SB_KIND_UNSUPPORTED, error,
			"VirusTotal has never seen this content, and it was not uploaded (%s)",
			vt->upload == UPLOAD_NEVER   ? "upload: never"
			: sb_call_confidential(call) ? "it is confidential"
						     : "its size");
	case SB_VT_FAILED:
		return state_failure(vt, call, answer, error);
	case SB_VT_PENDING:
	case SB_VT_GIVEN:
		break;
	}
	return sb_error_set(
		error, SB_KIND_PROTOCOL_ERROR, 0, "%s: answered another question", vt->base.host);
}

/* --- Lookup --------------------------------------------------------------------------------------
 */

/* What is infected already needs no second look. */
static bool is_to_be_uploaded(const virustotal *vt, const sb_call *call, sb_vt_says says)
{
	uint64_t size = sb_call_size(call);

	if (vt->upload == UPLOAD_NEVER || size == 0 || size > upload_max ||
		sb_call_confidential(call))
		return false;
	return says == SB_VT_UNKNOWN ||
	       (vt->upload == UPLOAD_ALWAYS && (says == SB_VT_NO_OPINION || says == SB_VT_CLEAN ||
						       says == SB_VT_SUSPICIOUS));
}

static int make_ticket(const virustotal *vt, const sb_call *call, const ticket *looked_up,
	void **out, sb_error *error)
{
	ticket *made = malloc(sizeof *made);

	if (made == NULL)
		return sb_error_set(error, SB_KIND_INTERNAL, 0, "out of memory");
	*made = *looked_up;
	made->step = sb_call_size(call) > direct_max ? STEP_URL : STEP_UPLOAD;
	if (made->step == STEP_UPLOAD) {
		int status = address(vt, made->url, sizeof made->url, "files", "", error);
		if (status < 0) {
			free(made);
			return status;
		}
	}
	*out = made;
	return NOW_MS;
}

static int virustotal_submit(void *state_of, sb_call *call, void **out, sb_error *error)
{
	virustotal *vt = state_of;
	uint8_t digest[SB_SHA256_SIZE];
	char url[SB_VT_URL_MAX + 1];
	sb_vt_answer answer;
	ticket own = {.lost = 0};
	int status = sb_call_digest(call, SB_DIGEST_SHA256, digest, error);

	if (status < 0)
		return status;
	sb_hex(own.sha256, digest, sizeof digest);
	status = address(vt, url, sizeof url, "files/", own.sha256, error);
	if (status == 0)
		status = ask(vt, call, url, NULL, &own, SB_VT_FILE, &answer, error);
	if (status < 0)
		return status;
	status = is_to_be_uploaded(vt, call, answer.says) ? make_ticket(vt, call, &own, out, error)
							  : state(vt, call, &answer, error);
	sb_vt_answer_done(&answer);
	return status;
}

/* --- Upload --------------------------------------------------------------------------------------
 */

/* A large content goes to an URL of its own, which holds for one upload. */
static int fetch_url(virustotal *vt, sb_call *call, ticket *own, sb_error *error)
{
	sb_vt_answer answer;
	int status = address(vt, own->url, sizeof own->url, "files/", "upload_url", error);

	if (status == 0)
		status = ask(vt, call, own->url, NULL, own, SB_VT_UPLOAD_URL, &answer, error);
	if (status < 0)
		return status;
	if (answer.says != SB_VT_GIVEN) {
		status = state(vt, call, &answer, error);
	} else if (!sb_vt_url_fits(answer.given, &vt->base)) {
		status = sb_error_set(error, SB_KIND_PROTOCOL_ERROR, 0,
			"%s: the upload URL leads somewhere else", vt->base.host);
	} else {
		snprintf(own->url, sizeof own->url, "%s", answer.given);
		own->step = STEP_UPLOAD;
		status = NOW_MS;
	}
	sb_vt_answer_done(&answer);
	return status;
}

/* Machines behind one address should not ask all at once. */
static int next_poll(const virustotal *vt)
{
	uint16_t dice;
	uint64_t tenth = vt->poll_interval_ms / 10;

	sb_random(&dice, sizeof dice);
	return (int)(vt->poll_interval_ms - tenth + 2 * tenth * dice / UINT16_MAX);
}

/* The name is the digest: the client's own is nobody's business. */
static int upload(virustotal *vt, sb_call *call, ticket *own, sb_error *error)
{
	sb_vt_answer answer;
	sb_vt_url to;
	int status = sb_vt_url_parse(&to, own->url)
			     ? sb_call_may_upload(call, to.host, error)
			     : sb_error_set(error, SB_KIND_INTERNAL, 0, "odd upload URL");

	if (status == 0)
		status = ask(vt, call, own->url, own->sha256, own, SB_VT_UPLOAD, &answer, error);
	if (status < 0)
		return status;
	if (answer.says == SB_VT_GIVEN) {
		snprintf(own->id, sizeof own->id, "%s", answer.given);
		own->step = STEP_ANALYSIS;
		status = next_poll(vt);
	} else {
		status = state(vt, call, &answer, error);
	}
	sb_vt_answer_done(&answer);
	return status;
}

/* --- Analysis ------------------------------------------------------------------------------------
 */

/* A look that failed is not the analysis that failed: it goes on there, and was paid for. When to
 * look again; or what failed, when it fails for good. */
static int look_again(
	const virustotal *vt, const sb_call *call, ticket *own, int status, int64_t retry_after_ms)
{
	static const unsigned passing = 1u << SB_KIND_CONNECTION_FAILED | 1u << SB_KIND_TIMEOUT |
					1u << SB_KIND_ENGINE_UNAVAILABLE |
					1u << SB_KIND_RATE_LIMITED;
	int64_t wait = retry_after_ms >= 0 ? retry_after_ms : next_poll(vt);
	uint64_t remaining = sb_call_remaining_ms(call);

	if (status >= 0 || (passing >> -status & 1) == 0 || ++own->lost > LOST_POLLS ||
		sb_call_cancelled(call) || (uint64_t)wait >= remaining || wait > 86400000)
		return status;
	return wait > 0 ? (int)wait : NOW_MS;
}

static int look(virustotal *vt, sb_call *call, ticket *own, sb_error *error)
{
	char url[SB_VT_URL_MAX + 1];
	sb_vt_answer answer;
	int status = address(vt, url, sizeof url, "analyses/", own->id, error);

	if (status < 0)
		return status;
	status = ask(vt, call, url, NULL, own, SB_VT_ANALYSIS, &answer, error);
	if (status < 0)
		return look_again(vt, call, own, status, -1);
	if (answer.says == SB_VT_PENDING) {
		own->lost = 0;
		status = next_poll(vt);
	} else {
		int64_t wait = answer.retry_after >= 0 ? answer.retry_after * 1000 : -1;
		status = look_again(vt, call, own, state(vt, call, &answer, error), wait);
	}
	sb_vt_answer_done(&answer);
	return status;
}

static int virustotal_poll(void *state_of, sb_call *call, void *ticket_of, sb_error *error)
{
	static int (*const steps[])(virustotal *, sb_call *, ticket *, sb_error *) = {
		[STEP_URL] = fetch_url,
		[STEP_UPLOAD] = upload,
		[STEP_ANALYSIS] = look,
	};
	ticket *own = ticket_of;
	int status = -SB_KIND_CANCELLED;

	if (!sb_call_cancelled(call))
		status = steps[own->step](state_of, call, own, error);
	else
		sb_error_set(error, SB_KIND_CANCELLED, 0, "cancelled");
	if (status <= 0)
		free(own);
	return status;
}

/* --- Who it is -----------------------------------------------------------------------------------
 */

/* Seventy engines, and each changes when it likes. */
static int virustotal_identity(
	void *state_of, uint64_t timeout_ms, sb_identity *out, sb_error *error)
{
	(void)state_of;
	(void)timeout_ms;
	(void)error;
	*out = (sb_identity){.engine_version = "API v3", .exactness = SB_EXACT_NONE};
	return 0;
}

/* The EICAR test file is known there: one lookup. A text that nobody knows would prove nothing. */
static int virustotal_canary(void *state_of, sb_check *check, sb_error *error)
{
	static const char *const parts[] = {"X5O!P%@AP[4\\PZX54(P^)7CC)7}", "$EICAR-", "STANDARD-",
		"ANTIVIRUS-", "TEST-FILE", "!$H+H*"};
	sb_check_answer answer;
	char text[80] = "";
	size_t length = 0;
	int status;

	(void)state_of;
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		memcpy(text + length, parts[i], strlen(parts[i]));
		length += strlen(parts[i]);
	}
	status = sb_check_scan(check, text, length, &answer, error);
	if (status < 0 || answer.outcome == SB_OUTCOME_INFECTED)
		return status;
	if (answer.outcome == SB_OUTCOME_ERROR)
		return sb_error_prefix(error, "known-answer test with EICAR's digest");
	return sb_error_set(error, SB_KIND_ENGINE_UNAVAILABLE, 0,
		"known-answer test: EICAR's digest was called %s", sb_outcome_name(answer.outcome));
}

/*
 * No SB_ENGINE_HONOURS_DEADLINE: resolving a name may take longer than it should, where libcurl is
 * old; and an engine whose quota is small has no use for tests by themselves.
 */
extern const sb_engine_ops sb_engine_virustotal;
const sb_engine_ops sb_engine_virustotal = {
	.abi = SB_ENGINE_ABI,
	.name = "virustotal",
	.summary = "VirusTotal by API v3: digests are looked up, content is uploaded on demand",
	.state_size = sizeof(virustotal),
	.settings = settings,
	.assurance = SB_ASSURANCE_ANTIVIRUS,
	.flags = SB_ENGINE_HOLDS_SECRETS,
	.open = virustotal_open,
	.submit = virustotal_submit,
	.poll = virustotal_poll,
	.identity = virustotal_identity,
	.canary = virustotal_canary,
	.close = virustotal_close,
};
