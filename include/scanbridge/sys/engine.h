/* SPDX-License-Identifier: MIT */
/**
 * Writing an engine. An engine is one constant sb_engine_ops: a name, a table of settings
 * and a few functions in ordinary blocking C. The core asks for content limits, queues,
 * retries, cancels, decides and records; an engine only looks at bytes and says what it
 * saw. This header promises less than the caller API: it may change with SB_ENGINE_ABI.
 *
 * The rule that matters: say sb_call_clean() only for what was positively seen to be clean.
 * A scan() that returns 0 without any statement is an error of the engine, never clean.
 */
#ifndef SCANBRIDGE_SYS_ENGINE_H
#define SCANBRIDGE_SYS_ENGINE_H

#include <scanbridge/error.h>
#include <scanbridge/sys/settings.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SB_ENGINE_ABI 6u

/* --- One call: this engine, this content, this attempt -------------------------------- */

/** Threads: used by the thread that runs the slot, and by no other. Everything a function
 * returns lives until the slot returns. */
typedef struct sb_call sb_call;

/** What is known about one detection. Strings are copied; unset members stay zero. */
typedef struct sb_threat {
	const char *name; /**< as the engine says it; odd bytes are replaced by the core */
	size_t name_length;
	sb_severity severity;                                       /**< SB_SEVERITY_NONE: high */
	const char *category, *description, *signature_id, *member; /**< NUL-terminated or NULL */
} sb_threat;

/* The content. It does not change during the call. */
SB_API uint64_t sb_call_size(const sb_call *call);
/** What the client calls it: a hint, any bytes, never a path to open. May be empty. An engine whose
 * verdict depends on it has SB_ENGINE_BY_NAME; the answer of one that asks without is not
 * remembered. */
SB_API const char *sb_call_name(const sb_call *call, size_t *length);
/** A read-only descriptor of a regular file or sealed memory file that holds exactly the
 * content; an open file description of its own, at offset 0. The core closes it. -1 and
 * @p error on failure. */
SB_API int sb_call_fd(sb_call *call, sb_error *error);
/** All bytes, when they are in memory; NULL otherwise: use sb_call_read(). */
SB_API const void *sb_call_memory(const sb_call *call, size_t *length);
/** Up to @p length bytes from @p offset: the number read, 0 at the end, or -kind. */
SB_API int64_t sb_call_read(
	sb_call *call, uint64_t offset, void *buffer, size_t length, sb_error *error);
typedef enum sb_digest { SB_DIGEST_BLAKE3, SB_DIGEST_SHA256, SB_DIGEST_MD5 } sb_digest;
/** 32, 32 or 16 bytes. Computed once per scan, from the same bytes, when first asked for. */
SB_API int sb_call_digest(sb_call *call, sb_digest which, uint8_t *out, sb_error *error);

/* Time. An engine that can't be interrupted is abandoned at its deadline. */
/** ms until the call must end, 0 when it is over. Counts down. */
SB_API uint64_t sb_call_remaining_ms(const sb_call *call);
SB_API bool sb_call_cancelled(const sb_call *call);
/** Becomes readable when the call is cancelled: for poll() beside a socket. Never read it. */
SB_API int sb_call_cancel_fd(sb_call *call);

/** Which of the engine's replicas to ask (see sb_engine_ops), by its index; in a known-answer test
 * SB_ANY_REPLICA: whichever answers. */
#define SB_ANY_REPLICA ((size_t)-1)
SB_API size_t sb_call_replica(const sb_call *call);

/* The statement. Each returns 0 or -kind (and then the call has failed). */
/** Every one of the @p bytes was looked at and nothing was found. The core compares the
 * number with the content's size: fewer is `partial`, and partial is never clean. */
SB_API int sb_call_clean(
	sb_call *call, uint64_t bytes, sb_content_coverage content, sb_error *error);
/** Found. May be called for several threats. Names PUA.* and Heuristics.* count as
 * suspicious unless the engine is configured with `heuristics: infected`. */
SB_API int sb_call_infected(sb_call *call, const sb_threat *threat, sb_error *error);
/** Found, but no proof. @p confidence 0..1, negative: unknown. */
SB_API int sb_call_suspicious(
	sb_call *call, const sb_threat *threat, double confidence, sb_error *error);
/** How far a call with detections looked (clean says it itself). */
SB_API void sb_call_cover(sb_call *call, uint64_t bytes, sb_content_coverage content);
/** No opinion by nature (an unknown hash): not a failure, not a vote. Returns -kind, to be
 * returned from the slot. */
SB_API int sb_call_abstain(sb_call *call, sb_kind kind, sb_error *error, const char *format, ...)
	SB_PRINTF(4, 5);
/** One request more is about to be sent, beyond the one that the core counted for this attempt (a
 * poll, an upload): 0, or -rate_limited when the configured quota has no room for it now; then
 * @p error tells when to ask again. Never waits. */
SB_API int sb_call_spend(sb_call *call, sb_error *error);
/** Something in the engine ended in a way that casts doubt on what it said in the last @p ms (a
 * worker that was taken over may lie before it dies): answers of that time are forgotten. */
SB_API void sb_call_doubt(sb_call *call, uint64_t ms);
/** Versions that the verdict stands on, where an answer carries them. An answer that names other
 * signatures than `identity` tells of is not remembered; where the identity is exact, others are
 * taking over, and clean is asked again. */
SB_API void sb_call_versions(sb_call *call, const char *engine, const char *signatures);

/** What is true of a container, at any level of it. */
enum sb_container_fact {
	SB_FACT_ENCRYPTED = 1 << 0,   /**< a part could not be read without a password */
	SB_FACT_CORRUPT = 1 << 1,     /**< a part is damaged or cut off */
	SB_FACT_LIMIT = 1 << 2,       /**< a limit ended the look inside */
	SB_FACT_UNSUPPORTED = 1 << 3, /**< a part is packed in a way that can't be read */
	SB_FACT_MACROS = 1 << 4,      /**< an office document with macros */
	SB_FACT_AUTORUN = 1 << 5,     /**< macros that run by themselves */
	SB_FACT_EMBEDDED = 1 << 6,    /**< embedded objects or attached files */
	SB_FACT_EXTERNAL = 1 << 7,    /**< refers to templates or objects elsewhere */
	SB_FACT_JAVASCRIPT = 1 << 8,  /**< a PDF with JavaScript */
	SB_FACT_LAUNCH = 1 << 9,      /**< a PDF that starts programs */
};

/** How the content is built, as far as the engine opened it. */
typedef struct sb_container {
	const char *type; /**< of the outermost container: `zip`, `mail`, …; NULL or "": none */
	unsigned depth;   /**< containers in containers: 1 for a plain zip */
	uint64_t members; /**< over all levels */
	uint64_t bytes;   /**< what they unpack to */
	unsigned facts;   /**< enum sb_container_fact */
} sb_container;
/** For engines that open containers: facts for report and policy. Copied; the last call counts. */
SB_API void sb_call_container(sb_call *call, const sb_container *container);
/** The content's media type, as seen in its bytes (`application/zip`). Copied. */
SB_API void sb_call_mime(sb_call *call, const char *mime);
/** Whether somebody will look at the media type of clean content, too: the configuration says
 * `mime: always`, or a policy rule has a condition on it. Other content always deserves one. */
SB_API bool sb_call_wants_mime(const sb_call *call);
/** Passwords to try on encrypted containers: those given for this scan, then those of the
 * configuration. NULL-terminated, never NULL itself. They are secrets: they belong in no
 * message, and in no memory beyond the call. */
SB_API const char *const *sb_call_passwords(const sb_call *call);

/** Nobody but those who were asked may see this content: the scan's context says so (metadata
 * `confidential`), or it belongs to a known-answer test. */
SB_API bool sb_call_confidential(const sb_call *call);
/** The content is about to be given to others than the engine itself, who may keep it: to be asked
 * before every upload. 0: it may, and the audit log has the record `content_upload` that says so,
 * on disk; whatever comes of it, report and audit log name @p to (a host) in the engine's entry.
 * Else -kind: `unsupported` for confidential content, `cancelled` when nobody waits for the verdict
 * any more, `audit_failed` when it could not be put on record. */
SB_API int sb_call_may_upload(sb_call *call, const char *to, sb_error *error);

/* --- Identity, limits, known answers ------------------------------------------------- */

/** How surely a changed verdict base shows in the identity. */
typedef enum sb_exactness {
	SB_EXACT_NONE = 0,
	SB_EXACT_PARTIAL, /**< some changes don't show (clamd: third-party signatures) */
	SB_EXACT_FULL,
} sb_exactness;

typedef struct sb_identity {
	char engine_version[64];
	char signature_version[128];
	int64_t signature_time; /**< seconds since the epoch, 0: unknown */
	sb_exactness exactness;
} sb_identity;

typedef struct sb_limits {
	uint64_t max_size; /**< bytes the engine can judge; 0: no limit of its own */
} sb_limits;

/** One known-answer test in progress (`engines --check`, a server's start). */
typedef struct sb_check sb_check;

typedef struct sb_check_answer {
	sb_outcome outcome;
	sb_kind kind;     /**< for outcome error */
	char threat[129]; /**< first threat's name, or empty */
} sb_check_answer;

/** What a check can prove about a remote engine. */
typedef enum sb_attestation {
	SB_ATTEST_LIMITS,    /**< alerts when it stops at a limit of its own */
	SB_ATTEST_ENCRYPTED, /**< alerts on content it can't read */
	SB_ATTEST_MAX_SIZE,  /**< really looks at content of `max_size` bytes */
	SB_ATTEST_MAIL,      /**< takes mail apart */
} sb_attestation;

/** Send @p data through this engine's own scan, past every gate but the deadline. */
SB_API int sb_check_scan(
	sb_check *check, const void *data, size_t length, sb_check_answer *answer, sb_error *error);
/** The engine's configured `max_size` in bytes; 0: none. */
SB_API uint64_t sb_check_max_size(const sb_check *check);
/** Record what was proved; @p remedy tells what to change when @p holds is false. */
SB_API void sb_check_attest(sb_check *check, sb_attestation what, bool holds, const char *remedy);

/* --- The engine ---------------------------------------------------------------------- */

/** How far an engine opens containers: the configuration's section `containers`. */
typedef struct sb_container_limits {
	unsigned max_depth;   /**< containers in containers; 1: members of the outermost */
	uint64_t max_members; /**< over all levels */
	uint64_t max_bytes;   /**< unpacked, over all levels */
	uint64_t max_member;  /**< unpacked, one member */
	uint64_t max_memory;  /**< unpacked members held at the same time */
	unsigned max_ratio;   /**< unpacked to packed, looked at from 16 MiB unpacked on */
} sb_container_limits;

/** What the configuration says that an engine's own settings don't. */
typedef struct sb_environment {
	const char *name;     /**< the engine's, as configured */
	const char *data_dir; /**< absolute, and there */
	unsigned cpus;        /**< that are online; at least 1 */
	unsigned concurrency; /**< scan() runs in at most so many threads at once */
	uint64_t max_content; /**< bytes; nothing larger comes */
	uint64_t max_size;    /**< bytes; the engine's own setting; 0: none */
	uint64_t timeout_ms;  /**< for one call, as configured */
	/** Whatever takes content apart or runs rules over it belongs into a sandboxed process
	 * of its own (`isolation: process`). */
	bool isolation_process;
	sb_container_limits containers;
	/** Files with the public keys that may sign rule bundles: `rules.trusted_keys`. */
	sb_texts rule_keys;
} sb_environment;

enum sb_engine_flags {
	/** scan() never waits for anything: it may run in the thread that asked. See waits(). */
	SB_ENGINE_INLINE = 1 << 0,
	/** scan() returns at the deadline and soon after a cancel by itself. */
	SB_ENGINE_HONOURS_DEADLINE = 1 << 1,
	/** `content: inspected` counts only while a stored check attests limits, encryption and
	 * mail. */
	SB_ENGINE_NEEDS_ATTESTATION = 1 << 2,
	/** Knows exact copies only; abstains by nature; never counts towards min_engines. */
	SB_ENGINE_HASH_LIST = 1 << 3,
	/** Judging is work for the processors of this machine: calls beyond `concurrency` would
	 * only wait for each other. */
	SB_ENGINE_LOCAL = 1 << 4,
	/** The verdict depends on the content's name as well (rules that look at it): what it says
	 * of a content is remembered for that name only. */
	SB_ENGINE_BY_NAME = 1 << 5,
	/** Keeps a key in memory: a program that opens it should leave no core dumps. */
	SB_ENGINE_HOLDS_SECRETS = 1 << 6,
};

typedef struct sb_engine_ops {
	unsigned abi;               /**< SB_ENGINE_ABI at compile time */
	const char *name;           /**< the configuration's `type` */
	const char *summary;        /**< one line of help */
	size_t state_size;          /**< the core allocates and zeroes it, and fills in settings */
	const sb_setting *settings; /**< the type's own keys, offsets into the state; or NULL */
	sb_assurance assurance;
	unsigned flags; /**< enum sb_engine_flags */

	/** Optional. Once, before open(): where it is. @p environment lives as long as the
	 * state. */
	void (*environment)(void *state, const sb_environment *environment);
	/** Optional. Once, before anything else, with all settings filled in; may block. Checks
	 * settings, loads lists; does not need to reach a remote engine. On failure close()
	 * follows; the manager is not opened when the engine is required, otherwise every call
	 * is refused with the error, which then counts as not_configured. */
	int (*open)(void *state, sb_error *error);

	/** Optional, with SB_ENGINE_INLINE: whether, with the settings it has, scan() may wait
	 * after all; then it runs like any other. Asked once, after open(). */
	bool (*waits)(const void *state);

	/** Judge the call's content. From up to `concurrency` threads at once. Blocks as it
	 * needs, minding sb_call_remaining_ms() and sb_call_cancel_fd(). 0 after a statement,
	 * or -kind: the engine could not work, whatever was stated before. Retried by kind.
	 * Only an engine that has submit() has none. */
	int (*scan)(void *state, sb_call *call, sb_error *error);

	/** Optional, all three or none: judge content while it arrives. begin() once with the
	 * size unknown (sb_call_size() is 0), feed() for every byte in order, then finish(),
	 * which makes the statement with sb_call_size() known. @p stream is the engine's.
	 * finish() is called exactly once after a begin() that succeeded; with @p whole false
	 * the content broke off: free the stream, state nothing, the return is ignored.
	 * All from one thread. Without them the core waits for the whole content and calls
	 * scan(). */
	int (*begin)(void *state, sb_call *call, void **stream, sb_error *error);
	int (*feed)(void *state, void *stream, const void *data, size_t length, sb_error *error);
	int (*finish)(void *state, sb_call *call, void *stream, bool whole, sb_error *error);

	/** Optional, both or none, and in place of scan(): verdicts that come later. submit() runs
	 * like scan(). When it knows the verdict it says so and returns 0 (or -kind); else it sets
	 * @p ticket to something of its own and returns the ms after which poll() is called with
	 * it. poll() runs like scan(), too, and returns 0 after a statement, -kind after a failure,
	 * or again the ms after which to ask; what was stated before counts for nothing then.
	 *
	 * Between the two, and from one poll() to the next, nothing is held but the content: no
	 * thread, and none of the engine's `concurrency`. What bounds the verdicts that are
	 * outstanding is limits.max_in_flight, as each belongs to a scan. Every submit() and poll()
	 * passes what limits single requests, so one request to a remote service for each is
	 * counted rightly. The attempt's deadline covers all of them, and breaker and retries see
	 * one attempt.
	 *
	 * The ticket is freed once: by a poll() that returns 0 or -kind. When the call ends in
	 * another way (deadline, cancel, a refusal on the way) poll() is called a last time, with
	 * sb_call_cancelled() true from the start: it must free the ticket, at once and without
	 * blocking, in whatever thread that is; what it says is not heard. */
	int (*submit)(void *state, sb_call *call, void **ticket, sb_error *error);
	int (*poll)(void *state, sb_call *call, void *ticket, sb_error *error);

	/** Optional: who would judge now. May block up to @p timeout_ms (not at all with
	 * SB_ENGINE_LOCAL); from any thread. NULL: the settings are the identity. Answers are
	 * remembered under it: whatever changes a verdict has to show in the settings or here, or
	 * `exactness` has to say that it may not. */
	int (*identity)(void *state, uint64_t timeout_ms, sb_identity *out, sb_error *error);
	/** Optional: places that judge alike (addresses of one service), up to 64. Asked once,
	 * after open(). Each has a breaker of its own; every attempt is told which one to ask, and
	 * asks no other: when it can't be reached, the core tries the next one at once. The names
	 * are for people, and live as long as the state. */
	const char *const *(*replicas)(const void *state, size_t *count);
	/** Optional: known limits. Never blocks. */
	void (*limits)(const void *state, sb_limits *out);
	/** Optional: prove what the protocol doesn't tell. Runs after the core's own benign and
	 * EICAR probes were answered well; statements by sb_check_attest(). */
	int (*canary)(void *state, sb_check *check, sb_error *error);

	/** Optional: read anew what the settings name (rules, lists), and judge by that from the
	 * next call on; calls inside end as they began. On failure everything stays as it was. One
	 * at a time, while calls are inside; may block. The core asks for the identity afterwards.
	 */
	int (*reload)(void *state, sb_error *error);

	/** Optional. After the last call, also when open() failed halfway. Frees what open() made.
	 */
	void (*close)(void *state);

	/** Optional: the class, where only open() can tell it. Asked once, after open(). */
	sb_assurance (*class_of)(const void *state);

	/** Optional: one line for whoever runs it, of something that works and is less than it
	 * could be: a protection that it does without, and why. NULL: nothing. Told when a program
	 * starts, and by `scanbridge engines`. Asked after open(); it lives as long as the state.
	 * Not asked of plugins. */
	const char *(*note)(const void *state);
} sb_engine_ops;

/* --- As a plugin ----------------------------------------------------------------------- */

/** What a shared object shows of itself, under the name `sb_plugin_entry`. Its first two members
 * are the same in every version: they say whether the rest can be read. */
typedef struct sb_plugin {
	unsigned abi;        /**< SB_ENGINE_ABI that it was built with */
	const char *version; /**< of the Scanbridge that it was built with */
	const sb_engine_ops *ops;
} sb_plugin;

/**
 * Once in a shared object, after its sb_engine_ops: makes it an engine of type `plugin`. In a
 * program that registers the engine by itself the line may stay: it does nothing there. Build
 * with `cc -shared -fPIC $(pkg-config --cflags scanbridge)`, and without `--libs`: the functions of
 * this header are those of whoever loads the plugin.
 */
#define SB_PLUGIN_EXPORT(engine_ops)                                                               \
	extern const sb_plugin sb_plugin_entry;                                                    \
	__attribute__((weak, visibility("default")))                                               \
	const sb_plugin sb_plugin_entry = {SB_ENGINE_ABI, SB_VERSION_STRING, &(engine_ops)}

#ifdef __cplusplus
}
#endif
#endif
