/* SPDX-License-Identifier: MIT */
/*
 * Headers of signature files, from whoever made the file. Oracle: what was read is written again,
 * and has to be found in the bytes; nothing but the length and printable bytes is ever good.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/cvd_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char bytes[SB_CVD_HEADER + 1], again[128];
	sb_cvd_header header;

	/* Short inputs stand for a header with blanks behind. */
	memset(bytes, ' ', SB_CVD_HEADER);
	memcpy(bytes, data, size < SB_CVD_HEADER ? size : SB_CVD_HEADER);
	bytes[SB_CVD_HEADER] = '\0';
	if (size != SB_CVD_HEADER && sb_cvd_header_parse(data, size, &header))
		abort();
	if (!sb_cvd_header_parse(bytes, SB_CVD_HEADER, &header))
		return 0;
	if (memchr(header.made, '\0', sizeof header.made) == NULL || header.time < 0)
		abort();
	snprintf(again, sizeof again, "ClamAV-VDB:%s:", header.made);
	if (strncmp(bytes, again, strlen(again)) != 0)
		abort();
	for (size_t i = 0; i < SB_CVD_HEADER; i++)
		if (bytes[i] < ' ' || bytes[i] > '~')
			abort();
	return 0;
}
