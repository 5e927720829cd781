/* SPDX-License-Identifier: MIT */
/*
 * One request over libcurl, by a multi handle of its own: so that a cancel and the deadline end it
 * at once. What libcurl could do of its own accord is switched off: redirects (they would carry the
 * key and the content), other protocols, compressed bodies, and a connection for two requests,
 * where what stands behind the first answer would be read as the second.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engines/virustotal/curl.h"
#include "engines/virustotal/virustotal.h"
#include "util/buf.h"
#include "util/text.h"

enum { HEADER_MAX = 64 << 10, CONNECT_MS = 10000, QUIET_S = 30, LOOK_MS = 1000 };

/* A pair of handles; worth keeping for the certificates that they have read, and for TLS sessions.
 */
struct sb_vt_client {
	CURLM *multi;
	CURL *easy;
	sb_vt_client *next; /* idle */
};

/* One request in work. */
typedef struct request {
	sb_call *call;
	sb_vt_reply *reply;
	uint64_t offset; /* in the content, of what is sent next */
	size_t header_bytes;
	int unreadable; /* the content: -kind, and `error` says why */
	sb_error *error;
	char why[CURL_ERROR_SIZE];
} request;

/* --- The service ------------------------------------------------------------------------------ */

int sb_vt_service_open(sb_vt_service *service, sb_error *error)
{
	pthread_mutex_init(&service->lock, NULL);
	return sb_curl_load(error) != NULL ? 0 : -SB_KIND_NOT_CONFIGURED;
}

static void free_client(sb_vt_client *client)
{
	const sb_curl *curl = sb_curl_load(NULL);

	if (client->easy != NULL)
		curl->easy_cleanup(client->easy);
	if (client->multi != NULL)
		curl->multi_cleanup(client->multi);
	free(client);
}

void sb_vt_service_close(sb_vt_service *service)
{
	while (service->idle != NULL) {
		sb_vt_client *client = service->idle;

		service->idle = client->next;
		free_client(client);
	}
	pthread_mutex_destroy(&service->lock);
}

static sb_vt_client *take_client(sb_vt_service *service)
{
	const sb_curl *curl = sb_curl_load(NULL);
	sb_vt_client *client;

	pthread_mutex_lock(&service->lock);
	client = service->idle;
	if (client != NULL)
		service->idle = client->next;
	pthread_mutex_unlock(&service->lock);
	if (client != NULL)
		return client;
	client = calloc(1, sizeof *client);
	if (client == NULL)
		return NULL;
	client->multi = curl->multi_init();
	client->easy = curl->easy_init();
	if (client->multi != NULL && client->easy != NULL)
		return client;
	free_client(client);
	return NULL;
}

/* After any doubt it isn't used again. */
static void give_client(sb_vt_service *service, sb_vt_client *client, bool sound)
{
	if (!sound) {
		free_client(client);
		return;
	}
	sb_curl_load(NULL)->easy_reset(client->easy); /* it forgets the request, too */
	pthread_mutex_lock(&service->lock);
	client->next = service->idle;
	service->idle = client;
	pthread_mutex_unlock(&service->lock);
}

/* --- What libcurl calls -------------------------------------------------------------------------
 */

static size_t on_header(char *data, size_t size, size_t count, void *user)
{
	request *r = user;

	(void)data;
	r->header_bytes += size * count;
	return r->header_bytes <= HEADER_MAX ? size * count : 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
	request *r = user;

	return sb_vt_body_feed(&r->reply->body, data, size * count) ? size * count : 0;
}

static size_t on_send(char *out, size_t size, size_t count, void *user)
{
	request *r = user;
	int64_t n = sb_call_read(r->call, r->offset, out, size * count, r->error);

	if (n < 0) {
		r->unreadable = (int)n;
		return CURL_READFUNC_ABORT;
	}
	r->offset += (uint64_t)n;
	return (size_t)n;
}

/* Back to the start, should libcurl have to send it once more. */
static int on_seek(void *user, curl_off_t offset, int origin)
{
	request *r = user;

	if (origin != SEEK_SET || offset < 0)
		return CURL_SEEKFUNC_CANTSEEK;
	r->offset = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

/* --- One request ---------------------------------------------------------------------------------
 */

typedef struct setup {
	struct curl_slist lines[3];
	curl_mime *form;
} setup;

static bool set_form(CURL *easy, setup *set, request *r, const char *file_name)
{
	const sb_curl *curl = sb_curl_load(NULL);
	curl_mimepart *part;

	set->form = curl->mime_init(easy);
	part = set->form != NULL ? curl->mime_addpart(set->form) : NULL;
	return part != NULL && curl->mime_name(part, "file") == CURLE_OK &&
	       curl->mime_filename(part, file_name) == CURLE_OK &&
	       curl->mime_type(part, "application/octet-stream") == CURLE_OK &&
	       curl->mime_data_cb(part, (curl_off_t)sb_call_size(r->call), on_send, on_seek, NULL,
		       r) == CURLE_OK &&
	       curl->easy_setopt(easy, CURLOPT_MIMEPOST, set->form) == CURLE_OK;
}

/* The lines live where they are; libcurl takes no copy of the list. */
static struct curl_slist *set_lines(setup *set, const sb_vt_service *service)
{
	static char accept[] = "Accept: application/json", expect[] = "Expect:";

	set->lines[0] = (struct curl_slist){service->secret->line, &set->lines[1]};
	set->lines[1] = (struct curl_slist){accept, &set->lines[2]};
	set->lines[2] = (struct curl_slist){expect, NULL};
	return set->lines;
}

static bool set_limits(CURL *easy, const sb_vt_service *service)
{
	const sb_curl *curl = sb_curl_load(NULL);
	const char *protocol = service->tls ? "https" : "http";
	const struct {
		CURLoption option;
		long value;
	} numbers[] = {
		{CURLOPT_NOSIGNAL, 1},
		{CURLOPT_FOLLOWLOCATION, 0},
		{CURLOPT_FORBID_REUSE, 1},
		{CURLOPT_SSL_VERIFYPEER, 1},
		{CURLOPT_SSL_VERIFYHOST, 2},
		{CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
		{CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
		{CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS},
	};

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		if (curl->easy_setopt(easy, numbers[i].option, numbers[i].value) != CURLE_OK)
			return false;
	/* Where it is known: name resolution that hangs is left behind, and ends by itself. */
	(void)curl->easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	if (service->ca_file != NULL &&
		curl->easy_setopt(easy, CURLOPT_CAINFO, service->ca_file) != CURLE_OK)
		return false;
	/* The key goes through a proxy in TLS or not at all. */
	return (service->tls || curl->easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK) &&
	       curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, protocol) == CURLE_OK;
}

static bool set_request(CURL *easy, setup *set, const sb_vt_service *service, request *r,
	const char *url, const char *file_name)
{
	const sb_curl *curl = sb_curl_load(NULL);

	if (!set_limits(easy, service) || curl->easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK ||
		curl->easy_setopt(easy, CURLOPT_USERAGENT, "scanbridge/" SB_VERSION_STRING) !=
			CURLE_OK ||
		curl->easy_setopt(easy, CURLOPT_HTTPHEADER, set_lines(set, service)) != CURLE_OK ||
		curl->easy_setopt(easy, CURLOPT_ERRORBUFFER, r->why) != CURLE_OK ||
		curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) != CURLE_OK ||
		curl->easy_setopt(easy, CURLOPT_HEADERDATA, r) != CURLE_OK ||
		curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) != CURLE_OK ||
		curl->easy_setopt(easy, CURLOPT_WRITEDATA, r) != CURLE_OK)
		return false;
	if (file_name != NULL)
		return set_form(easy, set, r, file_name);
	return curl->easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L) == CURLE_OK &&
	       curl->easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)QUIET_S) == CURLE_OK;
}

/* Until it has ended, or -timeout or -cancelled. */
static int perform(sb_vt_client *client, request *r, CURLcode *ended)
{
	const sb_curl *curl = sb_curl_load(NULL);
	struct curl_waitfd cancel = {.fd = sb_call_cancel_fd(r->call), .events = CURL_WAIT_POLLIN};
	CURLMsg *message;
	int running = 1, left;

	while (curl->multi_perform(client->multi, &running) == CURLM_OK && running > 0) {
		uint64_t remaining = sb_call_remaining_ms(r->call);

		if (sb_call_cancelled(r->call))
			return -SB_KIND_CANCELLED;
		if (remaining == 0)
			return -SB_KIND_TIMEOUT;
		if (curl->multi_poll(client->multi, &cancel, cancel.fd >= 0 ? 1 : 0,
			    remaining < LOOK_MS ? (int)remaining : LOOK_MS, NULL) != CURLM_OK)
			break;
	}
	message = curl->multi_info_read(client->multi, &left);
	*ended = message != NULL && message->msg == CURLMSG_DONE ? message->data.result
								 : CURLE_FAILED_INIT;
	return 0;
}

/* --- How it ended --------------------------------------------------------------------------------
 */

static const struct {
	CURLcode code;
	sb_kind kind;
} endings[] = {
	{CURLE_COULDNT_RESOLVE_PROXY, SB_KIND_CONNECTION_FAILED},
	{CURLE_COULDNT_RESOLVE_HOST, SB_KIND_CONNECTION_FAILED},
	{CURLE_COULDNT_CONNECT, SB_KIND_CONNECTION_FAILED},
	{CURLE_PARTIAL_FILE, SB_KIND_CONNECTION_FAILED},
	{CURLE_SSL_CONNECT_ERROR, SB_KIND_CONNECTION_FAILED},
	{CURLE_PEER_FAILED_VERIFICATION, SB_KIND_CONNECTION_FAILED},
	{CURLE_GOT_NOTHING, SB_KIND_CONNECTION_FAILED},
	{CURLE_SEND_ERROR, SB_KIND_CONNECTION_FAILED},
	{CURLE_RECV_ERROR, SB_KIND_CONNECTION_FAILED},
	{CURLE_PROXY, SB_KIND_CONNECTION_FAILED},
	{CURLE_OPERATION_TIMEDOUT, SB_KIND_TIMEOUT},
	{CURLE_OUT_OF_MEMORY, SB_KIND_INTERNAL},
	{CURLE_FAILED_INIT, SB_KIND_INTERNAL},
	{CURLE_SSL_CACERT_BADFILE, SB_KIND_NOT_CONFIGURED},
};

static int fail(const request *r, CURLcode code, sb_error *error)
{
	sb_kind kind = SB_KIND_PROTOCOL_ERROR;
	sb_buf shown;

	for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
		if (endings[i].code == code)
			kind = endings[i].kind;
	sb_buf_init(&shown, 4096);
	sb_escape(&shown, r->why, strnlen(r->why, sizeof r->why));
	sb_error_set(error, kind, 0, "%s%s%s", sb_curl_load(NULL)->easy_strerror(code),
		shown.length > 0 ? ": " : "", shown.length > 0 ? shown.data : "");
	sb_buf_done(&shown);
	return -(int)kind;
}

static int conclude(sb_vt_client *client, request *r, int stopped, CURLcode code, sb_error *error)
{
	const sb_curl *curl = sb_curl_load(NULL);
	curl_off_t wait = 0;

	if (stopped == -SB_KIND_CANCELLED)
		return sb_error_set(error, SB_KIND_CANCELLED, 0, "cancelled while it was asked");
	if (stopped != 0)
		return sb_error_set(error, SB_KIND_TIMEOUT, 0, "no answer in time");
	if (r->unreadable != 0)
		return r->unreadable;
	if (r->header_bytes > HEADER_MAX)
		return sb_error_set(error, SB_KIND_PROTOCOL_ERROR, 0,
			"the answer's header is longer than 64 KiB");
	/* A body beyond its limits is an answer, too. */
	if (code != CURLE_OK && r->reply->body.beyond == NULL)
		return fail(r, code, error);
	if (curl->easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &r->reply->status) !=
			CURLE_OK ||
		curl->easy_getinfo(client->easy, CURLINFO_RETRY_AFTER, &wait) != CURLE_OK)
		return fail(r, CURLE_FAILED_INIT, error);
	r->reply->retry_after = wait;
	return 0;
}

int sb_vt_ask(sb_vt_service *service, sb_call *call, const char *url, const char *file_name,
	sb_vt_reply *reply, sb_error *error)
{
	const sb_curl *curl = sb_curl_load(NULL);
	sb_vt_client *client = take_client(service);
	request r = {.call = call, .reply = reply, .error = error};
	CURLcode code = CURLE_FAILED_INIT;
	setup set = {0};
	int status = 0;
	bool sound;

	*reply = (sb_vt_reply){0};
	sb_vt_body_begin(&reply->body);
	if (client == NULL)
		return sb_error_set(error, SB_KIND_INTERNAL, 0, "out of memory");
	if (set_request(client->easy, &set, service, &r, url, file_name) &&
		curl->multi_add_handle(client->multi, client->easy) == CURLM_OK) {
		status = perform(client, &r, &code);
		(void)curl->multi_remove_handle(client->multi, client->easy);
	}
	sound = status == 0 && code == CURLE_OK;
	status = conclude(client, &r, status, code, error);
	if (reply->body.text.data != NULL)
		sb_vt_secret_redact(
			service->secret, reply->body.text.data, reply->body.text.length);
	if (set.form != NULL)
		curl->mime_free(set.form);
	give_client(service, client, sound);
	return status;
}
