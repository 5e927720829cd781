/* SPDX-License-Identifier: MIT */
/* Any bytes as a configuration: parsed, built, shown, freed; never a crash, never a leak. */
#include <stdint.h>

#include "config/config.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sb_config *config = sb_config_new();
	sb_error error;
	sb_buf text;

	if (config == NULL)
		return 0;
	sb_error_init(&error);
	sb_buf_init(&text, 1 << 24);
	if (sb_config_load_text(config, (const char *)data, size, "fuzz", &error) == 0)
		(void)sb_config_show(config, &text, &error);
	sb_buf_done(&text);
	sb_config_free(config);
	return 0;
}
