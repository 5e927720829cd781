/* SPDX-License-Identifier: MIT */
/* Keys from files, signatures by them; see keys.h. */
#include "rules/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/hash.h"
#include "util/io.h"
#include "util/text.h"

enum { KEY_FILE = 64 * 1024, RAW = 32 };

/* --- Files ----------------------------------------------------------------------------------- */

/* Whoever may write a trusted key may sign, and whoever may read a private one, too. */
static const char *exposed(const struct stat *info, bool private)
{
	if (!S_ISREG(info->st_mode))
		return "is no regular file";
	if (info->st_uid != 0 && info->st_uid != geteuid())
		return "belongs to another user";
	if (private && (info->st_mode & 077) != 0)
		return "can be read by others: chmod 600";
	return (info->st_mode & 022) != 0 ? "can be written by others: chmod go-w" : NULL;
}

/* The text, to be wiped and freed; NULL: the error is set. */
static char *read_key(const char *file, bool private, size_t *length, sb_error *error)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const char *problem = NULL;
	struct stat info;
	char *text = NULL;
	ssize_t n = -1;

	if (fd >= 0 && fstat(fd, &info) == 0 && (problem = exposed(&info, private)) == NULL &&
		(text = malloc(KEY_FILE)) != NULL)
		n = sb_read_full(fd, text, KEY_FILE);
	if (n < 0 || n == KEY_FILE) {
		if (problem == NULL)
			problem = n < 0 ? "can't be read" : "is too large for a key";
		sb_error_set(error, SB_KIND_NOT_CONFIGURED, fd < 0 || text != NULL ? errno : 0,
			"the key file %s %s", file, problem);
		free(text);
		text = NULL;
	}
	sb_close(&fd);
	*length = n > 0 ? (size_t)n : 0;
	return text;
}

/* Nobody is asked for a passphrase. */
static int no_passphrase(char *out, int room, int writing, void *data)
{
	(void)out;
	(void)room;
	(void)writing;
	(void)data;
	return -1;
}

static EVP_PKEY *open_key(const char *file, bool private, sb_error *error)
{
	size_t length;
	char *text = read_key(file, private, &length, error);
	BIO *bio = text != NULL ? BIO_new_mem_buf(text, (int)length) : NULL;
	EVP_PKEY *key = NULL;

	if (text == NULL)
		return NULL;
	if (bio != NULL && private)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	else if (bio != NULL)
		key = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
	if (key != NULL && EVP_PKEY_get_id(key) != EVP_PKEY_ED25519) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	if (key == NULL)
		sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"the key file %s holds no %s Ed25519 key in PEM%s", file,
			private ? "private" : "public", private ? " without a passphrase" : "");
	BIO_free(bio);
	OPENSSL_cleanse(text, length);
	free(text);
	return key;
}

static bool id_of(const EVP_PKEY *key, uint8_t id[SB_PACK_KEY_ID])
{
	uint8_t raw[RAW];
	size_t length = sizeof raw;

	if (EVP_PKEY_get_raw_public_key(key, raw, &length) != 1 || length != RAW)
		return false;
	sb_sha256_memory(raw, sizeof raw, id);
	return true;
}

/* --- Verifying ------------------------------------------------------------------------------- */

static bool is_good(EVP_PKEY *key, const sb_pack_head *head)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = context != NULL && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
		    EVP_DigestVerify(context, head->signature, SB_PACK_SIGNATURE,
			    head->signed_bytes, head->signed_length) == 1;

	EVP_MD_CTX_free(context);
	return good;
}

/* 1: by this one, 0: by another one, or -kind. */
static int by_key(const sb_pack_head *head, const char *file, sb_error *error)
{
	EVP_PKEY *key = open_key(file, false, error);
	uint8_t id[SB_PACK_KEY_ID];
	int found = 0;

	if (key == NULL)
		return -SB_KIND_NOT_CONFIGURED;
	if (id_of(key, id) && memcmp(id, head->key_id, sizeof id) == 0)
		found = is_good(key, head) ? 1
					   : sb_error_set(error, SB_KIND_AUTHENTICATION_FAILED, 0,
						     "its signature is wrong: it was altered, or "
						     "is not by the key that it names");
	EVP_PKEY_free(key);
	return found;
}

int sb_rule_verify(
	const sb_pack_head *head, const char *const *files, size_t count, sb_error *error)
{
	char id[2 * SB_PACK_KEY_ID + 1];

	for (size_t i = 0; i < count; i++) {
		int found = by_key(head, files[i], error);

		if (found != 0)
			return found > 0 ? 0 : found;
	}
	sb_hex(id, head->key_id, SB_PACK_KEY_ID);
	return sb_error_set(error, SB_KIND_AUTHENTICATION_FAILED, 0,
		count == 0 ? "no key is trusted to sign rules: name one under rules.trusted_keys "
			     "(it is signed by %s)"
			   : "the key that signed it, %s, is not among rules.trusted_keys",
		id);
}

/* --- Signing --------------------------------------------------------------------------------- */

int sb_rule_sign(uint8_t *out, size_t length, const char *file, sb_error *error)
{
	EVP_PKEY *key = open_key(file, true, error);
	EVP_MD_CTX *context = key != NULL ? EVP_MD_CTX_new() : NULL;
	const size_t signed_at = 8 + SB_PACK_SIGNATURE;
	size_t size = SB_PACK_SIGNATURE;
	uint8_t id[SB_PACK_KEY_ID];
	bool good = false;

	if (key == NULL)
		return -SB_KIND_NOT_CONFIGURED;
	if (context != NULL && id_of(key, id)) {
		sb_pack_head_write(out, id, length - SB_PACK_HEAD);
		good = EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
		       EVP_DigestSign(
			       context, out + 8, &size, out + signed_at, length - signed_at) == 1 &&
		       size == SB_PACK_SIGNATURE;
	}
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	return good ? 0 : sb_error_set(error, SB_KIND_INTERNAL, 0, "OpenSSL can't sign");
}

/* --- Making one ------------------------------------------------------------------------------ */

static int write_pem(const char *file, EVP_PKEY *key, bool private, sb_error *error)
{
	int fd = open(
		file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, private ? 0600 : 0644);
	BIO *bio = fd >= 0 ? BIO_new(BIO_s_mem()) : NULL;
	char *text = NULL;
	long length = 0;
	int status = -1;

	if (bio != NULL && (private ? PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)
				    : PEM_write_bio_PUBKEY(bio, key)) == 1)
		length = BIO_get_mem_data(bio, &text);
	if (length > 0)
		status = sb_write_all(fd, text, (size_t)length) == 0 && fsync(fd) == 0 ? 0 : -1;
	if (status != 0)
		sb_error_set(error, SB_KIND_IO, errno, "write %s", file);
	if (text != NULL)
		OPENSSL_cleanse(text, (size_t)length);
	BIO_free(bio);
	sb_close(&fd);
	return status == 0 ? 0 : -SB_KIND_IO;
}

int sb_rule_make_key(const char *file, char id[2 * SB_PACK_KEY_ID + 1], sb_error *error)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	size_t room = strlen(file) + sizeof ".pub";
	char *public_file = malloc(room);
	uint8_t raw[SB_PACK_KEY_ID];
	int status;

	if (key == NULL || public_file == NULL || !id_of(key, raw)) {
		status = sb_error_no_memory(error);
	} else {
		snprintf(public_file, room, "%s.pub", file);
		sb_hex(id, raw, sizeof raw);
		status = write_pem(file, key, true, error);
		if (status == 0)
			status = write_pem(public_file, key, false, error);
	}
	EVP_PKEY_free(key);
	free(public_file);
	return status;
}
