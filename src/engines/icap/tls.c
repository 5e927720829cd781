/* SPDX-License-Identifier: MIT */
/*
 * TLS by OpenSSL: whom to trust, and the handshake. Certificate and host name are verified unless
 * the configuration says otherwise. OpenSSL's own socket BIO writes with write(), which may raise
 * SIGPIPE in a program that is not ours; the one here uses send().
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "engines/icap/icap.h"
#include "util/error.h"

struct sb_icap_tls {
	SSL_CTX *context;
	BIO_METHOD *method;
};

/* --- A BIO over a socket -----------------------------------------------------------------------
 */

static int socket_of(BIO *bio)
{
	return ((const sb_icap_link *)BIO_get_data(bio))->net.fd;
}

static int bio_write(BIO *bio, const char *data, int length)
{
	ssize_t n = send(socket_of(bio), data, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);

	BIO_clear_retry_flags(bio);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(bio);
	return (int)n;
}

static int bio_read(BIO *bio, char *data, int room)
{
	ssize_t n = recv(socket_of(bio), data, (size_t)room, MSG_DONTWAIT);

	BIO_clear_retry_flags(bio);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(bio);
	return (int)n;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static BIO_METHOD *new_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sb-icap");

	if (method != NULL &&
		(!BIO_meth_set_write(method, bio_write) || !BIO_meth_set_read(method, bio_read) ||
			!BIO_meth_set_ctrl(method, bio_ctrl))) {
		BIO_meth_free(method);
		method = NULL;
	}
	return method;
}

/* --- Whom to trust ------------------------------------------------------------------------------
 */

/* The first of OpenSSL's complaints, as text. */
static const char *complaint(void)
{
	unsigned long code = ERR_get_error();
	const char *text = code != 0 ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return text != NULL ? text : "no reason given";
}

static int trust(SSL_CTX *context, const char *ca, sb_error *error)
{
	if (ca == NULL && SSL_CTX_set_default_verify_paths(context) != 1)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"the system's certificates can't be read: %s", complaint());
	if (ca != NULL && SSL_CTX_load_verify_file(context, ca) != 1)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"ca: %s holds no certificates that can be read: %s", ca, complaint());
	return 0;
}

int sb_icap_tls_open(sb_icap_tls **out, const char *ca, bool verify, sb_error *error)
{
	sb_icap_tls *tls = calloc(1, sizeof *tls);
	int status;

	if (tls == NULL)
		return sb_error_no_memory(error);
	*out = tls;
	ERR_clear_error();
	tls->context = SSL_CTX_new(TLS_client_method());
	tls->method = new_method();
	if (tls->context == NULL || tls->method == NULL)
		return sb_error_no_memory(error);
	SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
	SSL_CTX_set_mode(
		tls->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_verify(tls->context, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	status = trust(tls->context, ca, error);
	return status;
}

void sb_icap_tls_close(sb_icap_tls *tls)
{
	if (tls == NULL)
		return;
	SSL_CTX_free(tls->context);
	BIO_meth_free(tls->method);
	free(tls);
}

/* --- The handshake
 * -------------------------------------------------------------------------------- */

static bool is_numeric(const char *host)
{
	return strchr(host, ':') != NULL || strspn(host, "0123456789.") == strlen(host);
}

/* The name that the certificate has to be for, and that the server is told (RFC 6066 3: never a
 * number). */
static bool expect_host(SSL *ssl, const char *host)
{
	if (is_numeric(host))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static int handshake_failed(SSL *ssl, const char *where, sb_error *error)
{
	long verified = SSL_get_verify_result(ssl);
	unsigned long code = ERR_peek_error();

	if (verified != X509_V_OK && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
		ERR_clear_error();
		return sb_error_set(error, SB_KIND_AUTHENTICATION_FAILED, 0,
			"%s: its certificate is not trusted: %s; name who signed it with `ca`",
			where, X509_verify_cert_error_string(verified));
	}
	if (code == 0 || ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		ERR_clear_error();
		return sb_error_set(error, SB_KIND_CONNECTION_FAILED, 0,
			"%s: it ended the connection while TLS was set up", where);
	}
	return sb_error_set(error, SB_KIND_PROTOCOL_ERROR, 0, "%s: no TLS: %s", where, complaint());
}

static int shake_hands(
	SSL *ssl, int fd, const char *where, const sb_net_wait *wait, sb_error *error)
{
	for (;;) {
		int result, status;
		short events;

		ERR_clear_error();
		result = SSL_connect(ssl);
		if (result == 1)
			return 0;
		switch (SSL_get_error(ssl, result)) {
		case SSL_ERROR_WANT_READ:
			events = POLLIN;
			break;
		case SSL_ERROR_WANT_WRITE:
			events = POLLOUT;
			break;
		default:
			return handshake_failed(ssl, where, error);
		}
		status = sb_net_await(wait, fd, events, where, "setting up TLS", error);
		if (status != 0)
			return status;
	}
}

int sb_icap_tls_start(const sb_icap_tls *tls, sb_icap_link *link, const sb_icap_url *url,
	const sb_net_wait *wait, sb_error *error)
{
	BIO *bio = BIO_new(tls->method);

	link->tls = SSL_new(tls->context);
	if (bio == NULL || link->tls == NULL) {
		BIO_free(bio);
		return sb_error_no_memory(error);
	}
	BIO_set_data(bio, link);
	BIO_set_init(bio, 1);
	SSL_set_bio(link->tls, bio, bio);
	if (!expect_host(link->tls, url->address.host))
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"%s: the host is no name that a certificate can be for", url->address.text);
	return shake_hands(link->tls, link->net.fd, url->address.text, wait, error);
}
