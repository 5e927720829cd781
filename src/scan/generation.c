/* SPDX-License-Identifier: MIT */
/* What goes into a generation, as text that can be read in only one way; see generation.h. */
#include "scan/generation.h"

#include <string.h>

#include "scan/manager_body.h"

enum { TEXT_BYTES = 1 << 20 };

/* Texts may hold anything: their length says where they end. */
static void put_text(sb_buf *out, const char *name, const char *text)
{
	size_t length = text != NULL ? strlen(text) : 0;

	sb_buf_printf(out, "%s %zu ", name, length);
	sb_buf_add(out, text != NULL ? text : "", length);
	sb_buf_char(out, '\n');
}

static void put_bytes(sb_buf *out, const char *name, const uint8_t *bytes, size_t size)
{
	sb_buf_printf(out, "%s ", name);
	sb_buf_add(out, (const char *)bytes, size);
	sb_buf_char(out, '\n');
}

/* --- One engine ------------------------------------------------------------------------------ */

bool sb_generation_has_secrets(const sb_engine *engine)
{
	return engine->conf->judges_by_secrets || engine->whole->containers.passwords[0] != NULL;
}

static void put_containers(sb_buf *out, const sb_conf *conf)
{
	const sb_container_limits *limits = &conf->containers.limits;

	sb_buf_printf(out, "containers %u %llu %llu %llu %llu %u\n", limits->max_depth,
		(unsigned long long)limits->max_members, (unsigned long long)limits->max_bytes,
		(unsigned long long)limits->max_member, (unsigned long long)limits->max_memory,
		limits->max_ratio);
	for (const char *const *p = conf->containers.passwords; *p != NULL; p++)
		put_text(out, "password", *p);
}

int sb_generation_base(sb_engine *engine, const uint8_t key[SB_BLAKE3_SIZE], bool keyed,
	uint8_t out[SB_GEN_SIZE], sb_error *error)
{
	const sb_conf *conf = engine->whole;
	bool failed;
	sb_buf text;

	sb_buf_init(&text, TEXT_BYTES);
	put_text(&text, "engine_gen 1 of scanbridge", SB_VERSION_STRING);
	put_text(&text, "name", engine->conf->name);
	put_text(&text, "type", engine->ops->name);
	sb_buf_printf(&text, "abi %u flags %u heuristics %d mime %d\n", engine->ops->abi,
		engine->ops->flags, engine->conf->heuristics_infected, sb_conf_wants_mime(conf));
	put_bytes(&text, "settings", engine->conf->judging, sizeof engine->conf->judging);
	put_containers(&text, conf);
	failed = text.failed;
	if (!failed && keyed)
		sb_blake3_keyed(key, text.data, text.length, out);
	else if (!failed)
		sb_blake3_memory(text.data, text.length, out);
	if (text.data != NULL)
		explicit_bzero(text.data, text.length);
	sb_buf_done(&text);
	return failed ? sb_error_no_memory(error) : 0;
}

void sb_generation_of(
	sb_generation *out, const uint8_t base[SB_GEN_SIZE], const sb_identity *identity)
{
	struct {
		uint8_t base[SB_GEN_SIZE];
		char engine[sizeof identity->engine_version];
		char signatures[sizeof identity->signature_version];
		uint8_t exactness;
	} text = {.exactness = (uint8_t)identity->exactness};

	memcpy(text.base, base, sizeof text.base);
	/* Only what they say: what stands behind the end of a text is anybody's guess. */
	memcpy(text.engine, identity->engine_version,
		strnlen(identity->engine_version, sizeof text.engine));
	memcpy(text.signatures, identity->signature_version,
		strnlen(identity->signature_version, sizeof text.signatures));
	out->known = true;
	out->exactness = identity->exactness;
	sb_blake3_memory(&text, sizeof text, out->gen);
}

void sb_generation_for_name(uint8_t gen[SB_GEN_SIZE], const char *name, size_t length)
{
	uint8_t digest[SB_BLAKE3_SIZE];

	sb_blake3_keyed(gen, name, length, digest);
	memcpy(gen + SB_GEN_SIZE / 2, digest, SB_GEN_SIZE / 2);
}

/* --- All together ---------------------------------------------------------------------------- */

void sb_manager_site_gen(sb_manager *manager, uint8_t out[SB_BLAKE3_SIZE])
{
	sb_site *site = sb_site_now(manager);
	sb_buf text;

	memset(out, 0, SB_BLAKE3_SIZE);
	sb_buf_init(&text, TEXT_BYTES);
	put_text(&text, "site_gen 1 of scanbridge", SB_VERSION_STRING);
	for (size_t i = 0; i < site->engine_count; i++) {
		const sb_engine_conf *conf = &site->conf->engines[i];
		sb_engine *engine = site->engines[i];
		sb_generation now;

		sb_engine_generation(engine, &now);
		put_text(&text, "engine", conf->name);
		sb_buf_printf(&text,
			"role %d tier %u weight %.17g veto %d on_open %d %d %zu known %d\n",
			conf->role, conf->tier, conf->weight, conf->veto, conf->on_open,
			conf->fallback_only_if_open, conf->fallback, now.known);
		put_bytes(&text, "gen", now.gen, sizeof now.gen);
	}
	put_bytes(&text, "rules", site->conf->rules_digest, sizeof site->conf->rules_digest);
	if (!text.failed)
		sb_blake3_memory(text.data, text.length, out);
	sb_buf_done(&text);
	sb_site_unref(site);
}
