/* SPDX-License-Identifier: MIT */
/*
 * An antivirus behind ICAP (RFC 3507). A scan shows the content as the body of an HTTP message (a
 * downloaded file for RESPMOD, an uploaded one for REQMOD) and turns the one answer into one
 * statement. Clean takes 204 or the same message back, after all of it was sent; a server that
 * judges by a preview has to be trusted with that by the configuration, else none is sent.
 *
 * Several URLs are replicas: the core says which one an attempt goes to. Trying again within one
 * call happens only where nothing was judged: a fresh link when an idle one had died, and, in
 * known-answer tests, the next URL when no connection comes about.
 */
#include "engines/icap/icap.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engines/known_answers.h"
#include "util/error.h"
#include "util/text.h"

typedef struct icap {
	/* settings */
	sb_texts url;
	int method;
	bool preview_is_verdict, pool, verify;
	const char *ca;
	uint64_t connect_timeout_ms;
	/* made by open() */
	sb_icap_service *services;
	size_t service_count;
	sb_icap_tls *tls;
	atomic_size_t preferred; /* the service that worked last */
} icap;

static const char *const methods[] = {"respmod", "reqmod", NULL};

static const sb_setting settings[] = {
	{"url", SB_SETTING_TEXTS, offsetof(icap, url), .required = true,
		.help = "the service: icap://HOST:PORT/SERVICE, or icaps:// for TLS; several are "
			"replicas"},
	{"method", SB_SETTING_CHOICE, offsetof(icap, method), "respmod", .choices = methods,
		.help = "show the content as a download (respmod) or as an upload (reqmod)"},
	{"preview_is_verdict", SB_SETTING_BOOL, offsetof(icap, preview_is_verdict), "false",
		.help = "send a preview, and take 204 after it for a verdict about all of it"},
	{"ca", SB_SETTING_PATH, offsetof(icap, ca),
		.help = "a file of certificates to trust for icaps://, instead of the system's"},
	{"verify", SB_SETTING_BOOL, offsetof(icap, verify), "true",
		.help = "verify certificate and host name for icaps://"},
	{"connect_timeout", SB_SETTING_DURATION, offsetof(icap, connect_timeout_ms), "10s", 1,
		3600000, .operational = true,
		.help = "for connecting to one service, TLS included"},
	{"pool", SB_SETTING_BOOL, offsetof(icap, pool), "true", .operational = true,
		.help = "keep connections open between scans"},
	{NULL},
};

/* --- Open and close ------------------------------------------------------------------------ */

static int open_service(icap *i, sb_icap_service *service, const char *url, sb_error *error)
{
	int status = sb_icap_url_parse(url, &service->url, error);

	if (status == 0 && service->url.secure && i->tls == NULL)
		status = sb_icap_tls_open(&i->tls, i->ca, i->verify, error);
	if (status != 0)
		return status;
	service->tls = service->url.secure ? i->tls : NULL;
	service->keep = i->pool;
	service->connect_timeout_ms = i->connect_timeout_ms;
	return sb_icap_service_open(service, error);
}

static int icap_open(void *state, sb_error *error)
{
	icap *i = state;

	if (i->url.count == 0)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"url: at least one is needed, such as icap://127.0.0.1:1344/avscan");
	i->services = calloc(i->url.count, sizeof *i->services);
	if (i->services == NULL)
		return sb_error_no_memory(error);
	for (size_t n = 0; n < i->url.count; n++) {
		int status = open_service(i, &i->services[n], i->url.items[n], error);

		if (status != 0)
			return status;
		i->service_count++;
	}
	return 0;
}

static void icap_close(void *state)
{
	icap *i = state;

	for (size_t n = 0; n < i->service_count; n++)
		sb_icap_service_close(&i->services[n]);
	free(i->services);
	sb_icap_tls_close(i->tls);
	i->services = NULL;
	i->service_count = 0;
	i->tls = NULL;
}

/* --- Statements ------------------------------------------------------------------------------ */

/* Blocked, for a reason that is no virus: the reason may be any text. */
static int state_blocked(sb_call *call, const sb_icap_verdict *verdict, sb_error *error)
{
	size_t shown = verdict->text.length < 500 ? verdict->text.length : 500;
	bool named = sb_threat_name_ok(verdict->text.text, verdict->text.length);
	sb_threat threat = {.name = "ICAP.Blocked", .name_length = strlen("ICAP.Blocked")};
	sb_buf words;
	int status;

	if (named) {
		threat.name = verdict->text.text;
		threat.name_length = verdict->text.length;
		return sb_call_suspicious(call, &threat, -1, error);
	}
	sb_buf_init(&words, 4096);
	sb_escape(&words, verdict->text.text, shown);
	threat.description = words.data;
	status = sb_call_suspicious(call, &threat, -1, error);
	sb_buf_done(&words);
	return status;
}

static int state_infected(sb_call *call, const sb_icap_verdict *verdict, sb_error *error)
{
	size_t shown = verdict->member.length < 500 ? verdict->member.length : 500;
	sb_threat threat = {.name = verdict->text.text, .name_length = verdict->text.length};
	sb_buf member;
	int status;

	sb_buf_init(&member, 4096);
	if (shown > 0)
		sb_escape(&member, verdict->member.text, shown);
	threat.member = member.data;
	status = sb_call_infected(call, &threat, error);
	sb_buf_done(&member);
	return status;
}

static int state_verdict(
	sb_call *call, const char *where, const sb_icap_exchange *exchange, sb_error *error)
{
	const sb_icap_verdict *verdict = &exchange->verdict;

	switch (verdict->outcome) {
	case SB_OUTCOME_CLEAN:
		/* by a preview the server decided not to look at the rest */
		return sb_call_clean(call, exchange->request.size,
			exchange->previewed ? SB_CONTENT_UNKNOWN : SB_CONTENT_INSPECTED, error);
	case SB_OUTCOME_INFECTED:
		sb_call_cover(call, exchange->bytes, SB_CONTENT_UNKNOWN);
		return state_infected(call, verdict, error);
	case SB_OUTCOME_SUSPICIOUS:
		sb_call_cover(call, exchange->bytes, SB_CONTENT_UNKNOWN);
		return state_blocked(call, verdict, error);
	case SB_OUTCOME_ERROR:
		break;
	}
	return sb_icap_fail(where, verdict, error);
}

/* The ISTag says which signatures and settings the answer stands on (RFC 3507 4.7). Another one
 * than in the options: they are out of date, too. */
static void note_versions(sb_call *call, sb_icap_service *service, const sb_icap_options *options,
	const sb_icap_reply *reply)
{
	char tag[SB_ICAP_TAG_MAX + 1];

	sb_icap_tag(reply, tag);
	if (tag[0] == '\0')
		return;
	if (strcmp(tag, options->tag) != 0)
		sb_icap_service_forget(service);
	sb_call_versions(call, options->service, tag);
}

/* --- One request to one service ----------------------------------------------------------------
 */

static int check_offer(const icap *i, const sb_icap_service *service,
	const sb_icap_options *options, sb_icap_transfer transfer, sb_error *error)
{
	bool offered = i->method == 0 ? options->respmod : options->reqmod;

	if (!offered)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"%s: the service has no %s; set `method: %s`", service->url.address.text,
			i->method == 0 ? "RESPMOD" : "REQMOD", methods[1 - i->method]);
	if (transfer == SB_ICAP_TRANSFER_IGNORE)
		return sb_error_set(error, SB_KIND_UNSUPPORTED, 0,
			"%s: the service does not look at files with such a name (Transfer-Ignore)",
			service->url.address.text);
	return 0;
}

static void prepare(const icap *i, sb_call *call, const sb_icap_options *options,
	sb_icap_transfer transfer, sb_icap_exchange *exchange)
{
	sb_icap_request *request = &exchange->request;

	*exchange = (sb_icap_exchange){.call = call};
	request->method = i->method == 0 ? SB_ICAP_RESPMOD : SB_ICAP_REQMOD;
	request->name = sb_call_name(call, &request->name_length);
	request->size = sb_call_size(call);
	request->preview = i->preview_is_verdict && options->has_preview &&
					   transfer == SB_ICAP_TRANSFER_PREVIEW
				   ? (int64_t)options->preview
				   : SB_ICAP_NO_PREVIEW;
}

static int scan_with(const icap *i, sb_icap_service *service, sb_call *call,
	const sb_net_wait *wait, bool *unreachable, sb_error *error)
{
	sb_icap_transfer transfer;
	sb_icap_exchange exchange;
	sb_icap_options options;
	sb_icap_link *link;
	const char *name;
	size_t length;
	int status = sb_icap_service_options(service, wait, &options, unreachable, error);

	if (status != 0)
		return status;
	name = sb_call_name(call, &length);
	transfer = sb_icap_options_transfer(&options, name, length);
	status = check_offer(i, service, &options, transfer, error);
	if (status != 0)
		return status;
	prepare(i, call, &options, transfer, &exchange);
	status = sb_icap_service_ask(service, &exchange, wait, &link, unreachable, error);
	if (status != 0)
		return status;
	note_versions(call, service, &options, &link->reply);
	status = state_verdict(call, service->url.address.text, &exchange, error);
	sb_icap_service_give(service, link, exchange.reusable);
	return status;
}

/* --- Slots
 * ----------------------------------------------------------------------------------------- */

static int icap_scan(void *state, sb_call *call, sb_error *error)
{
	icap *i = state;
	sb_net_wait wait = {sb_net_deadline(sb_call_remaining_ms(call)), sb_call_cancel_fd(call)};
	size_t wanted = sb_call_replica(call);
	size_t first = wanted != SB_ANY_REPLICA ? wanted : atomic_load(&i->preferred);
	size_t tries = wanted != SB_ANY_REPLICA ? 1 : i->service_count;
	int status = 0;

	for (size_t n = 0; n < tries; n++) {
		size_t at = (first + n) % i->service_count;
		bool unreachable;

		status = scan_with(i, &i->services[at], call, &wait, &unreachable, error);
		if (status == 0 && n > 0)
			atomic_store(&i->preferred, at);
		/* what answered badly is not asked first next time */
		if (status == -(int)SB_KIND_CONNECTION_FAILED || status == -(int)SB_KIND_TIMEOUT)
			atomic_store(&i->preferred, (at + 1) % i->service_count);
		if (!unreachable || status == -(int)SB_KIND_CANCELLED)
			break;
	}
	return status;
}

static const char *const *icap_replicas(const void *state, size_t *count)
{
	const icap *i = state;

	*count = i->url.count;
	return i->url.items;
}

/* The ISTag, asked for anew: signatures may change long before Options-TTL is over. It need not
 * show everything (c-icap's stands for what clamd's VERSION tells). */
static int icap_identity(void *state, uint64_t timeout_ms, sb_identity *out, sb_error *error)
{
	icap *i = state;
	sb_net_wait wait = {sb_net_deadline(timeout_ms), -1};
	size_t first = atomic_load(&i->preferred);
	int status = 0;

	for (size_t n = 0; n < i->service_count; n++) {
		sb_icap_service *service = &i->services[(first + n) % i->service_count];
		sb_icap_options options;
		bool unreachable;

		status = sb_icap_service_discover(service, &wait, &options, &unreachable, error);
		if (status == 0) {
			*out = (sb_identity){.exactness = options.tag[0] != '\0' ? SB_EXACT_PARTIAL
										 : SB_EXACT_NONE};
			memcpy(out->engine_version, options.service, sizeof options.service);
			memcpy(out->signature_version, options.tag, sizeof options.tag);
		}
		if (!unreachable)
			break;
	}
	return status;
}

static int icap_canary(void *state, sb_check *check, sb_error *error)
{
	static const sb_remedies remedies = {
		.limits = "make the server report what goes beyond its limits (clamd behind it: "
			  "`AlertExceedsMax yes`): it calls that clean now",
		.member_size =
			"make the server report an archive's member that it cuts (clamd behind "
			"it: MaxScanSize equal to MaxFileSize): it calls the rest clean",
		.encrypted = "make the server report what it can't decrypt (clamd behind it: "
			     "`AlertEncrypted yes`): it calls that clean now",
		.mail = "make the server take mail apart (clamd behind it: ScanMail, and a "
			"TemporaryDirectory with room): it calls the test file in a mail clean",
		.max_size =
			"raise the server's limits (c-icap: virus_scan.MaxObjectSize, and those "
			"of the clamd behind it) to the engine's max_size or more, or lower "
			"max_size: it does not find what stands behind them",
	};

	(void)state;
	return sb_known_answers(check, &remedies, error);
}

const sb_engine_ops sb_engine_icap = {
	.abi = SB_ENGINE_ABI,
	.name = "icap",
	.summary = "any antivirus behind ICAP, plain or TLS",
	.state_size = sizeof(icap),
	.settings = settings,
	.assurance = SB_ASSURANCE_ANTIVIRUS,
	.flags = SB_ENGINE_HONOURS_DEADLINE | SB_ENGINE_NEEDS_ATTESTATION | SB_ENGINE_BY_NAME,
	.open = icap_open,
	.scan = icap_scan,
	.identity = icap_identity,
	.replicas = icap_replicas,
	.canary = icap_canary,
	.close = icap_close,
};
