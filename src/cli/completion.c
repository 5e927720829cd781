/* SPDX-License-Identifier: MIT */
/*
 * `completion SHELL`: the tables of commands and options as a script for bash, zsh or fish.
 * What a value can be follows from the option's choices and from its placeholder in the help;
 * where nothing is known, nothing is offered.
 */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/open.h"

const char *const sb_completion_shells[] = {"bash", "zsh", "fish", NULL};

/* --- What the tables say ------------------------------------------------------------------ */

static bool takes_files(const char *placeholder)
{
	return strstr(placeholder, "FILE") != NULL || strstr(placeholder, "PATH") != NULL ||
	       strstr(placeholder, "REPORT") != NULL;
}

static bool takes_folder(const char *placeholder)
{
	return strcmp(placeholder, "DIR") == 0;
}

/* Of a command's words. */
static bool names_folders(const sb_command *command)
{
	return strstr(command->synopsis, "FOLDER") != NULL;
}

/* The first word of `audit verify` that no row before @p command had; NULL: none. */
static size_t new_group(const sb_command *command)
{
	size_t length = strcspn(command->name, " ");

	if (command->name[length] == '\0' || command->hidden)
		return 0;
	for (const sb_command *c = sb_commands; c < command; c++)
		if (!c->hidden && strncmp(c->name, command->name, length + 1) == 0)
			return 0;
	return length;
}

/* The second words of a group, with blanks between them. */
static void group_words(sb_buf *out, const char *group, size_t length, const char *separator)
{
	const char *between = "";

	for (const sb_command *c = sb_commands; c->name != NULL; c++) {
		if (c->hidden || strncmp(c->name, group, length) != 0 || c->name[length] != ' ')
			continue;
		sb_buf_printf(out, "%s%s", between, c->name + length + 1);
		between = separator;
	}
}

/* The first words, each once. */
static void first_words(sb_buf *out)
{
	const char *between = "";

	for (const sb_command *c = sb_commands; c->name != NULL; c++) {
		bool single = strchr(c->name, ' ') == NULL;
		size_t group = new_group(c);
		if (c->hidden || (!single && group == 0))
			continue;
		sb_buf_printf(out, "%s%.*s", between, single ? (int)strlen(c->name) : (int)group,
			c->name);
		between = " ";
	}
}

static void groups(sb_buf *out, const char *separator)
{
	const char *between = "";

	for (const sb_command *c = sb_commands; c->name != NULL; c++) {
		size_t length = new_group(c);
		if (length == 0)
			continue;
		sb_buf_printf(out, "%s%.*s", between, (int)length, c->name);
		between = separator;
	}
}

static void words(sb_buf *out, const char *const *list)
{
	for (size_t i = 0; list[i] != NULL; i++)
		sb_buf_printf(out, "%s%s", i > 0 ? " " : "", list[i]);
}

/* Options that stand before the command and have a value: to be skipped on the way to it. */
static void global_names(sb_buf *out, const char *separator)
{
	const char *between = "";

	for (const sb_option *o = sb_global_options; o->name != NULL; o++) {
		if (o->argument == NULL)
			continue;
		sb_buf_printf(out, "%s--%s", between, o->name);
		between = separator;
	}
}

static bool offered(const sb_option *option)
{
	return option->type != SB_OPTION_GROUP && option->type != SB_OPTION_ABSENT;
}

/* What a help text says first, between single quotes; @p escape: also brackets, for zsh. */
static void quoted_help(sb_buf *out, const char *help, bool escape)
{
	size_t length = strcspn(help, ";:(\n");

	while (length > 0 && help[length - 1] == ' ')
		length--;
	for (size_t i = 0; i < length; i++) {
		if (help[i] == '\'')
			sb_buf_text(out, "'\\''");
		else if (escape && (help[i] == '[' || help[i] == ']'))
			sb_buf_printf(out, "\\%c", help[i]);
		else
			sb_buf_char(out, help[i]);
	}
}

/* --- bash --------------------------------------------------------------------------------- */

static const char bash_head[] =
	"# bash completion for scanbridge, made by `scanbridge completion bash`.\n"
	"_scanbridge() {\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	"\tlocal command= words= options= files= folders= word i\n"
	"\t# --option=value comes in three words.\n"
	"\tif [[ $cur == = ]]; then\n"
	"\t\tcur=\n"
	"\telif [[ $prev == = ]]; then\n"
	"\t\tprev=${COMP_WORDS[COMP_CWORD-2]}\n"
	"\tfi\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tword=${COMP_WORDS[i]}\n"
	"\t\tcase $word in\n";

static const char bash_walk[] = ")\n"
				"\t\t\t[[ ${COMP_WORDS[i+1]} == = ]] && ((i++))\n"
				"\t\t\t((i++)) ;;\n"
				"\t\t-*) ;;\n"
				"\t\t*)\n"
				"\t\t\tcommand=$word\n"
				"\t\t\tbreak ;;\n"
				"\t\tesac\n"
				"\tdone\n"
				"\tcase $command in\n";

static const char bash_command[] =
	")\n"
	"\t\t((i + 1 < COMP_CWORD)) && command+=\" ${COMP_WORDS[i+1]}\" ;;\n"
	"\tesac\n"
	"\tcase $command in\n";

static const char bash_values[] = "\tesac\n"
				  "\t# After an option with a value, only that.\n"
				  "\tcase \"$command $prev\" in\n";

/* An empty answer and `default` on: readline completes files itself, quotes and tilde included. */
static const char bash_tail[] =
	"\t*)\n"
	"\t\t[[ $cur == -* ]] && words=$options files= folders= ;;\n"
	"\tesac\n"
	"\tif [[ $files && $words ]]; then\n"
	"\t\tcompopt -o filenames 2>/dev/null\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\"; compgen -f -- \"$cur\")\n"
	"\telif [[ $folders ]]; then\n"
	"\t\tcompopt -o filenames 2>/dev/null\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -d -- \"$cur\")\n"
	"\telif [[ $files ]]; then\n"
	"\t\tCOMPREPLY=()\n"
	"\telse\n"
	"\t\tcompopt +o default 2>/dev/null\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	"\tfi\n"
	"}\n"
	"complete -o default -F _scanbridge scanbridge\n";

static void bash_option_names(sb_buf *out, const sb_option *table)
{
	for (const sb_option *o = table; o != NULL && o->name != NULL; o++)
		if (offered(o))
			sb_buf_printf(out, " --%s", o->name);
}

static void bash_option_values(sb_buf *out, const char *command, const sb_option *table)
{
	for (const sb_option *o = table; o != NULL && o->name != NULL; o++) {
		if (!offered(o) || o->argument == NULL)
			continue;
		sb_buf_printf(out, "\t%s%s --%s'", command != NULL ? "'" : "*'",
			command != NULL ? command : "", o->name);
		if (o->key != '\0')
			sb_buf_printf(out, "|%s%s -%c'", command != NULL ? "'" : "*'",
				command != NULL ? command : "", o->key);
		sb_buf_text(out, ") words='");
		if (o->choices != NULL)
			words(out, o->choices);
		sb_buf_printf(out, "' files=%s folders=%s ;;\n",
			takes_files(o->argument) ? "1" : "", takes_folder(o->argument) ? "1" : "");
	}
}

static void bash_commands(sb_buf *out)
{
	sb_buf_text(out, "\t'') words='");
	first_words(out);
	sb_buf_text(out, "' options='--help");
	bash_option_names(out, sb_global_options);
	sb_buf_text(out, "' ;;\n");
	for (const sb_command *c = sb_commands; c->name != NULL; c++) {
		size_t group = new_group(c);
		if (c->hidden)
			continue;
		if (group > 0) {
			sb_buf_printf(out, "\t%.*s) words='", (int)group, c->name);
			group_words(out, c->name, group, " ");
			sb_buf_text(out, "' options=--help ;;\n");
		}
		sb_buf_printf(out, "\t'%s') options='--help", c->name);
		bash_option_names(out, c->options);
		bash_option_names(out, sb_global_options);
		sb_buf_text(out, "' words='");
		if (c->words != NULL)
			words(out, c->words);
		sb_buf_printf(out, "' files=%s folders=%s ;;\n",
			c->words == NULL && takes_files(c->synopsis) ? "1" : "",
			names_folders(c) ? "1" : "");
	}
}

static void bash(sb_buf *out)
{
	sb_buf_text(out, bash_head);
	sb_buf_text(out, "\t\t");
	global_names(out, "|");
	sb_buf_text(out, bash_walk);
	sb_buf_text(out, "\t");
	groups(out, "|");
	sb_buf_text(out, bash_command);
	bash_commands(out);
	sb_buf_text(out, bash_values);
	for (const sb_command *c = sb_commands; c->name != NULL; c++)
		if (!c->hidden)
			bash_option_values(out, c->name, c->options);
	bash_option_values(out, NULL, sb_global_options);
	sb_buf_text(out, bash_tail);
}

/* --- zsh ---------------------------------------------------------------------------------- */

static const char zsh_head[] =
	"#compdef scanbridge\n"
	"# zsh completion for scanbridge, made by `scanbridge completion zsh`.\n"
	"_scanbridge_either() {\n"
	"\t_alternative \"words:word:($*)\" 'files:file:_files'\n"
	"}\n"
	"_scanbridge() {\n"
	"\tlocal curcontext=\"$curcontext\" state state_descr line ret=1\n"
	"\tlocal -A opt_args\n"
	"\tlocal -a globals commands\n"
	"\tglobals=(\n"
	"\t\t'(- *)'{-h,--help}'[help]'\n";

static const char zsh_middle[] =
	"\t)\n"
	"\t_arguments -C -S $globals '1: :->command' '*:: :->rest' && ret=0\n"
	"\tif [[ $state == command ]]; then\n";

static const char zsh_tail[] = "\tesac\n"
			       "\treturn ret\n"
			       "}\n"
			       "if [[ $funcstack[1] == _scanbridge ]]; then\n"
			       "\t_scanbridge \"$@\"\n"
			       "else\n"
			       "\tcompdef _scanbridge scanbridge\n"
			       "fi\n";

static void zsh_value(sb_buf *out, const sb_option *option)
{
	sb_buf_printf(out, ":%s:", option->argument);
	if (option->choices != NULL && takes_files(option->argument)) {
		sb_buf_text(out, " _scanbridge_either ");
		words(out, option->choices);
	} else if (option->choices != NULL) {
		sb_buf_char(out, '(');
		words(out, option->choices);
		sb_buf_char(out, ')');
	} else {
		sb_buf_text(out, takes_files(option->argument)    ? "_files"
				 : takes_folder(option->argument) ? "_files -/"
								  : " ");
	}
}

static void zsh_spec(sb_buf *out, const sb_option *option, const char *name, const char *joiner)
{
	sb_buf_printf(out, "\t\t'%s%s%s[", option->type == SB_OPTION_LIST ? "*" : "", name,
		option->argument != NULL ? joiner : "");
	quoted_help(out, option->help, true);
	sb_buf_char(out, ']');
	if (option->argument != NULL)
		zsh_value(out, option);
	sb_buf_char(out, '\'');
}

static void zsh_options(sb_buf *out, const sb_option *table, const char *end)
{
	for (const sb_option *o = table; o != NULL && o->name != NULL; o++) {
		char name[64];
		if (!offered(o))
			continue;
		snprintf(name, sizeof name, "--%s", o->name);
		zsh_spec(out, o, name, "=");
		sb_buf_text(out, end);
		if (o->key == '\0')
			continue;
		snprintf(name, sizeof name, "-%c", o->key);
		zsh_spec(out, o, name, "+");
		sb_buf_text(out, end);
	}
}

static void zsh_described(sb_buf *out, const char *name, size_t length, const char *help)
{
	sb_buf_printf(out, "\t\t\t'%.*s:", (int)length, name);
	quoted_help(out, help, false);
	sb_buf_text(out, "'\n");
}

static void zsh_group_members(sb_buf *out, const char *group, size_t length)
{
	for (const sb_command *c = sb_commands; c->name != NULL; c++)
		if (!c->hidden && strncmp(c->name, group, length) == 0 && c->name[length] == ' ')
			zsh_described(out, c->name + length + 1, strlen(c->name) - length - 1,
				c->summary);
}

static void zsh_first_words(sb_buf *out)
{
	sb_buf_text(out, "\t\tcommands=(\n");
	for (const sb_command *c = sb_commands; c->name != NULL; c++) {
		size_t group = new_group(c);
		if (!c->hidden && strchr(c->name, ' ') == NULL)
			zsh_described(out, c->name, strlen(c->name), c->summary);
		if (group == 0)
			continue;
		sb_buf_printf(out, "\t\t\t'%.*s:", (int)group, c->name);
		group_words(out, c->name, group, ", ");
		sb_buf_text(out, "'\n");
	}
	sb_buf_text(out, "\t\t)\n\t\t_describe command commands && ret=0\n"
			 "\t\treturn ret\n\tfi\n"
			 "\t[[ $state == rest ]] || return ret\n");
}

/* A group's second word is completed here; behind it, the two words become one. */
static void zsh_groups(sb_buf *out)
{
	sb_buf_text(out, "\tlocal name=$words[1]\n\tcase $name in\n");
	for (const sb_command *c = sb_commands; c->name != NULL; c++) {
		size_t group = new_group(c);
		if (group == 0)
			continue;
		sb_buf_printf(out, "\t%.*s)\n\t\tcommands=(\n", (int)group, c->name);
		zsh_group_members(out, c->name, group);
		sb_buf_text(out, "\t\t) ;;\n");
	}
	sb_buf_text(out, "\tesac\n"
			 "\tif (( $#commands )); then\n"
			 "\t\tif (( CURRENT == 2 )); then\n"
			 "\t\t\t_describe command commands && ret=0\n"
			 "\t\t\treturn ret\n"
			 "\t\tfi\n"
			 "\t\tname+=\" $words[2]\"\n"
			 "\t\tshift words\n"
			 "\t\t(( CURRENT-- ))\n"
			 "\tfi\n"
			 "\tcase $name in\n");
}

static void zsh(sb_buf *out)
{
	sb_buf_text(out, zsh_head);
	zsh_options(out, sb_global_options, "\n");
	sb_buf_text(out, zsh_middle);
	zsh_first_words(out);
	zsh_groups(out);
	for (const sb_command *c = sb_commands; c->name != NULL; c++) {
		if (c->hidden)
			continue;
		sb_buf_printf(out, "\t'%s')\n\t\t_arguments -S $globals \\\n", c->name);
		zsh_options(out, c->options, " \\\n");
		if (c->words != NULL) {
			sb_buf_text(out, "\t\t'1:word:(");
			words(out, c->words);
			sb_buf_text(out, ")' \\\n");
		} else if (takes_files(c->synopsis)) {
			sb_buf_text(out, "\t\t'*:file:_files' \\\n");
		} else if (names_folders(c)) {
			sb_buf_text(out, "\t\t'*:folder:_files -/' \\\n");
		}
		sb_buf_text(out, "\t\t&& ret=0 ;;\n");
	}
	sb_buf_text(out, zsh_tail);
}

/* --- fish --------------------------------------------------------------------------------- */

static const char fish_head[] =
	"# fish completion for scanbridge, made by `scanbridge completion fish`.\n"
	"function __scanbridge_is --description 'is this the command so far?'\n"
	"\tset -l tokens (commandline -opc)\n"
	"\tset -l command\n"
	"\tset -e tokens[1]\n"
	"\twhile set -q tokens[1]\n"
	"\t\tswitch $tokens[1]\n"
	"\t\t\tcase ";

static const char fish_walk[] = "\n"
				"\t\t\t\tset -q tokens[2]; and set -e tokens[2]\n"
				"\t\t\tcase '-*'\n"
				"\t\t\tcase '*'\n"
				"\t\t\t\tset command $tokens[1]\n"
				"\t\t\t\tcontains -- $command ";

static const char fish_middle[] = "; and set command $command $tokens[2]\n"
				  "\t\t\t\tbreak\n"
				  "\t\tend\n"
				  "\t\tset -e tokens[1]\n"
				  "\tend\n"
				  "\ttest \"$command\" = \"$argv\"\n"
				  "end\n"
				  "complete -c scanbridge -f\n"
				  "complete -c scanbridge -s h -l help -d 'help'\n";

static void fish_condition(sb_buf *out, const char *command, size_t length)
{
	sb_buf_printf(out, "complete -c scanbridge -n '__scanbridge_is%s%.*s'",
		length > 0 ? " " : "", (int)length, command);
}

static void fish_options(sb_buf *out, const char *command, const sb_option *table)
{
	for (const sb_option *o = table; o != NULL && o->name != NULL; o++) {
		if (!offered(o))
			continue;
		if (command != NULL)
			fish_condition(out, command, strlen(command));
		else
			sb_buf_text(out, "complete -c scanbridge");
		if (o->key != '\0')
			sb_buf_printf(out, " -s %c", o->key);
		sb_buf_printf(out, " -l %s", o->name);
		if (o->argument != NULL && takes_files(o->argument))
			sb_buf_text(out, " -r -F");
		else if (o->argument != NULL && takes_folder(o->argument))
			sb_buf_text(out, " -x -a '(__fish_complete_directories)'");
		else if (o->argument != NULL)
			sb_buf_text(out, " -x");
		if (o->choices != NULL) {
			sb_buf_text(out, " -a '");
			words(out, o->choices);
			sb_buf_char(out, '\'');
		}
		sb_buf_text(out, " -d '");
		quoted_help(out, o->help, false);
		sb_buf_text(out, "'\n");
	}
}

static void fish_first_word(sb_buf *out, const sb_command *command)
{
	size_t group = new_group(command);
	const char *space = strchr(command->name, ' ');

	if (group > 0) {
		fish_condition(out, "", 0);
		sb_buf_printf(out, " -a %.*s -d '", (int)group, command->name);
		group_words(out, command->name, group, ", ");
		sb_buf_text(out, "'\n");
	}
	fish_condition(out, command->name, space != NULL ? (size_t)(space - command->name) : 0);
	sb_buf_printf(out, " -a %s -d '", space != NULL ? space + 1 : command->name);
	quoted_help(out, command->summary, false);
	sb_buf_text(out, "'\n");
}

static void fish(sb_buf *out)
{
	sb_buf_text(out, fish_head);
	global_names(out, " ");
	sb_buf_text(out, fish_walk);
	groups(out, " ");
	sb_buf_text(out, fish_middle);
	fish_options(out, NULL, sb_global_options);
	for (const sb_command *c = sb_commands; c->name != NULL; c++) {
		if (c->hidden)
			continue;
		fish_first_word(out, c);
		fish_options(out, c->name, c->options);
		if (c->words == NULL && !takes_files(c->synopsis) && !names_folders(c))
			continue;
		fish_condition(out, c->name, strlen(c->name));
		if (c->words != NULL) {
			sb_buf_text(out, " -a '");
			words(out, c->words);
			sb_buf_text(out, "'\n");
		} else if (names_folders(c)) {
			sb_buf_text(out, " -x -a '(__fish_complete_directories)'\n");
		} else {
			sb_buf_text(out, " -F\n");
		}
	}
}

/* --- The command -------------------------------------------------------------------------- */

int sb_cmd_completion(
	const sb_globals *globals, const void *options, char **arguments, size_t count)
{
	static void (*const makers[])(sb_buf *) = {bash, zsh, fish};
	size_t i = 0;
	sb_buf out;

	(void)globals, (void)options, (void)count;
	while (sb_completion_shells[i] != NULL &&
		strcmp(sb_completion_shells[i], arguments[0]) != 0)
		i++;
	if (sb_completion_shells[i] == NULL)
		return sb_cli_unknown_word(
			"completion", "shell", arguments[0], sb_completion_shells);
	sb_buf_init(&out, 1 << 20);
	makers[i](&out);
	return sb_cli_print(&out);
}
