"""Mistakes that people make, each with every word they read: where it is, what is wrong, and what to do about it."""

# ruff: noqa: E501 (messages stand here as they are read)

import pytest

from llamaswap.config.load import load_text
from llamaswap.errors import ConfigError

#: A name, the file, and everything that somebody reads who loads it: the errors, or else the warnings.
MISTAKES = [
    (
        "a key at the level of the models",
        """\
models:
  qwen:
  cmd: llama-server --port ${PORT}
""",
        """\
c.yaml:3:8: models.cmd: this must be a mapping, not text ("llama-server --port ${PORT}")
      cmd: llama-server --port ${PORT}
           ^
    cmd belongs to a model: indent it deeper than the model's name

and what works, but probably not as meant:
c.yaml:2:3: models.qwen: an empty model: it has no command and cannot be used
      qwen:
      ^
    give it a cmd, or remove it""",
    ),
    (
        "keys of the top level among the models",
        """\
models:
  unloadTimeout: 60
  qwen:
    cmd: llama-server --port ${PORT} -m ${where}
  groups:
    g:
      members: [qwem]
  macros:
    where: x.gguf
""",
        """\
c.yaml:2:3: models.unloadTimeout: this is no model, but a key of the top level
      unloadTimeout: 60
      ^
    indent it as far as models:, or deeper than the name of a model that it is meant for
c.yaml:5:3: models.groups: this is no model, but a key of the top level
      groups:
      ^
    indent it as far as models:
c.yaml:7:17: groups.g.members[0]: there is no such model ("qwem")
          members: [qwem]
                    ^
    did you mean qwen?
c.yaml:8:3: models.macros: this is no model, but a key of the top level
      macros:
      ^
    indent it as far as models:, or deeper than the name of a model that it is meant for""",
    ),
    (
        "a line indented too little",
        """\
models:
  qwen:
    ttl: 5
   cmd: llama-server --port ${PORT}
""",
        """\
c.yaml:4:4: this line's indentation of 3 matches nothing above
       cmd: llama-server --port ${PORT}
       ^
    indent it by 0, 2 or 4 spaces, like a line above that it belongs to""",
    ),
    (
        "a line indented too much",
        """\
models:
  qwen:
    ttl: 5
      cmd: llama-server --port ${PORT}
""",
        """\
c.yaml:4:7: this line is indented deeper than the one above, so it is read as more of its value
          cmd: llama-server --port ${PORT}
          ^
    align it with ttl""",
    ),
    (
        "a list item left of its key",
        """\
models:
  qwen:
    cmd: llama-server --port ${PORT}
    aliases:
  - a
""",
        """\
c.yaml:5:3: this list item is aligned neither with the others nor with their key
      - a
      ^
    start the items of a list below each other, no further left than their key""",
    ),
    (
        "list items that are not aligned",
        """\
models:
  qwen:
    cmd: llama-server --port ${PORT}
    aliases:
      - a
     - b
""",
        """\
c.yaml:6:6: this list item is aligned neither with the others nor with their key
         - b
         ^
    start the items of a list below each other, no further left than their key""",
    ),
    (
        "a tab",
        """\
models:
\tqwen:
\t\tcmd: x ${PORT}
""",
        """\
c.yaml:2:1: a tab is used for indentation
    →qwen:
    ^
    indent with spaces""",
    ),
    (
        "a quotation mark closed lines later",
        """\
models:
  qwen:
    cmd: "llama-server --port ${PORT}
    ttl: 5
  other:
    cmd: "x ${PORT}"
""",
        """\
c.yaml:3:10: the quotation mark opened here is closed in line 6 only, where another value starts
        cmd: "llama-server --port ${PORT}
             ^
    close it where the value ends""",
    ),
    (
        "a quotation mark never closed",
        """\
models:
  qwen:
    cmd: 'llama-server --port ${PORT}
    ttl: 5
""",
        """\
c.yaml:3:10: a quotation mark is opened here and never closed
        cmd: 'llama-server --port ${PORT}
             ^
    close it; in single quotes, write '' for an apostrophe""",
    ),
    (
        "quotation marks inside of quotation marks",
        """\
models:
  qwen:
    cmd: "sh -c "llama-server --port ${PORT}""
""",
        """\
c.yaml:3:18: this does not belong to the value before it, which ends with its second quotation mark
        cmd: "sh -c "llama-server --port ${PORT}""
                     ^
    write cmd: | and the command on the next line, indented: its quotes need no others then""",
    ),
    (
        "a text after the closing quotation mark",
        """\
models:
  qwen:
    cmd: "/my dir/llama-server" --port ${PORT}
""",
        """\
c.yaml:3:33: this does not belong to the value before it, which ends with its second quotation mark
        cmd: "/my dir/llama-server" --port ${PORT}
                                    ^
    write cmd: | and the command on the next line, indented: its quotes need no others then""",
    ),
    (
        "no space after the colon, alone",
        """\
models:
  qwen:
    cmd:/usr/bin/llama-server --port ${PORT}
""",
        """\
c.yaml:3:5: models.qwen: this must be a mapping, not text ("cmd:/usr/bin/llama-server --port ${PORT}")
        cmd:/usr/bin/llama-server --port ${PORT}
        ^
    write its keys below it, indented: cmd:, cmdStop:, proxy:, checkEndpoint:, aliases:, ...

and what works, but probably not as meant:
c.yaml:3:5: models.qwen: there is no space after the colon of cmd, so this is read as a text
        cmd:/usr/bin/llama-server --port ${PORT}
        ^
    write cmd: /usr/bin/llama-server --port ${PORT}""",
    ),
    (
        "no space after the colon",
        """\
models:
  qwen:
    cmd: x ${PORT}
    ttl:5
""",
        """\
c.yaml:4:5: there is no space after the colon of ttl, so this is read as a text
        ttl:5
        ^
    write ttl: 5""",
    ),
    (
        "no space after the first colon",
        """\
startPort:5800
models: {}
""",
        """\
c.yaml:1:1: there is no space after the colon of startPort, so this is read as a text
    startPort:5800
    ^
    write startPort: 5800""",
    ),
    (
        "a no-break space",
        """\
models:
  qwen:
\xa0\xa0\xa0\xa0cmd: x ${PORT}
""",
        """\
c.yaml:2:3: models.qwen: an empty model: it has no command and cannot be used
      qwen:
      ^
    give it a cmd, or remove it
c.yaml:3:1: this key starts with the character U+00A0, which looks like a space and is none
    \\xa0\\xa0\\xa0\\xa0cmd: x ${PORT}
    ^
    indent with ordinary spaces
c.yaml:3:1: "\\xa0\\xa0\\xa0\\xa0cmd": unknown key, ignored
    \\xa0\\xa0\\xa0\\xa0cmd: x ${PORT}
    ^
    remove it; for notes and anchors use a top-level key that starts with x-""",
    ),
    (
        "a model without colon",
        """\
models:
  qwen
    cmd: x ${PORT}
""",
        """\
c.yaml:2:3: a key without a colon
      qwen
      ^
    write qwen:""",
    ),
    (
        "two documents",
        """\
models:
  qwen:
    cmd: llama-server --port ${PORT}
---
models:
  b:
    cmd: x ${PORT}
""",
        """\
c.yaml:4:1: only what stands above this line is read
    ---
    ^
    remove the line ---, or move what follows to a file of its own (-config-dir)""",
    ),
    (
        "a percent sign first",
        """\
models:
  qwen:
    name: %x
    cmd: x ${PORT}
""",
        """\
c.yaml:3:11: a value cannot start with %
        name: %x
              ^
    put the value in quotes""",
    ),
    (
        "an at sign first",
        """\
models:
  qwen:
    name: @x
    cmd: x ${PORT}
""",
        """\
c.yaml:3:11: a value cannot start with @
        name: @x
              ^
    put the value in quotes""",
    ),
    (
        "a backtick first",
        """\
models:
  qwen:
    name: `x`
    cmd: x ${PORT}
""",
        """\
c.yaml:3:11: a value cannot start with `
        name: `x`
              ^
    put the value in quotes""",
    ),
    (
        "a lone star",
        """\
models:
  qwen:
    aliases: [*]
    cmd: x ${PORT}
""",
        """\
c.yaml:3:16: an incomplete anchor or alias
        aliases: [*]
                   ^
    quote a value that starts with & or *""",
    ),
    (
        "an anchor below its alias",
        """\
models:
  qwen:
    <<: *defalts
    cmd: x ${PORT}
x: &defaults {ttl: 4}
""",
        """\
c.yaml:3:9: there is no anchor &defalts above this alias
        <<: *defalts
            ^
    anchors are per file; quote a value that starts with *""",
    ),
    (
        "a misspelt alias",
        """\
x: &defaults {ttl: 4}
models:
  qwen:
    <<: *defalts
    cmd: x ${PORT}
""",
        """\
c.yaml:4:9: there is no anchor &defalts above this alias
        <<: *defalts
            ^
    did you mean *defaults? A value that starts with * needs quotes""",
    ),
    (
        "a colon in a command",
        """\
models:
  qwen:
    cmd: llama-server --header X: y --port ${PORT}
""",
        """\
c.yaml:3:33: a value that holds ": " is in no quotes
        cmd: llama-server --header X: y --port ${PORT}
                                    ^
    put the value in quotes, or write cmd: | and the value on the next line, indented""",
    ),
    (
        "JSON in a command",
        """\
models:
  qwen:
    cmd: llama-server --port ${PORT} --kwargs {"a": 1}
""",
        """\
c.yaml:3:51: a value that holds ": " is in no quotes
        cmd: llama-server --port ${PORT} --kwargs {"a": 1}
                                                      ^
    put the value in quotes, or write cmd: | and the value on the next line, indented""",
    ),
    (
        "a hash in a command",
        """\
models:
  qwen:
    cmd: llama-server --name my #1 --port ${PORT}
""",
        """\
c.yaml:3:5: models.qwen.proxy: the model has no proxy, and its cmd does not use ${PORT}, so nobody knows where it listens
        cmd: llama-server --name my #1 --port ${PORT}
        ^
    either let it listen on ${PORT} (cmd: ... --port ${PORT}), or say where it listens (proxy: http://127.0.0.1:PORT)

and what works, but probably not as meant:
c.yaml:3:33: models.qwen.cmd: what follows # is a comment
        cmd: llama-server --name my #1 --port ${PORT}
                                    ^
    if it belongs to the value, put the value in quotes; if not, write "# " with a space""",
    ),
    (
        "a misspelt macro",
        """\
models:
  qwen:
    cmd: x ${PORt}
""",
        """\
c.yaml:3:12: models.qwen.cmd: there is no macro ${PORt}
        cmd: x ${PORt}
               ^
    did you mean ${PORT}?""",
    ),
    (
        "a shell's variable",
        """\
models:
  qwen:
    cmd: x --port $PORT
""",
        """\
c.yaml:3:5: models.qwen.proxy: cmd says $PORT, which nobody fills in, so the model has no port
        cmd: x --port $PORT
        ^
    either let it listen on ${PORT} (cmd: ... --port ${PORT}), or say where it listens (proxy: http://127.0.0.1:PORT)

and what works, but probably not as meant:
c.yaml:3:19: models.qwen.cmd: $PORT is not filled in
        cmd: x --port $PORT
                      ^
    write ${PORT}""",
    ),
    (
        "a macro of make",
        """\
models:
  qwen:
    cmd: x --port $(PORT)
""",
        """\
c.yaml:3:5: models.qwen.proxy: cmd says $(PORT), which nobody fills in, so the model has no port
        cmd: x --port $(PORT)
        ^
    either let it listen on ${PORT} (cmd: ... --port ${PORT}), or say where it listens (proxy: http://127.0.0.1:PORT)

and what works, but probably not as meant:
c.yaml:3:19: models.qwen.cmd: $(PORT) is not filled in
        cmd: x --port $(PORT)
                      ^
    write ${PORT}""",
    ),
    (
        "a macro without dollar",
        """\
models:
  qwen:
    cmd: x --port {PORT}
""",
        """\
c.yaml:3:5: models.qwen.proxy: cmd says {PORT}, which nobody fills in, so the model has no port
        cmd: x --port {PORT}
        ^
    either let it listen on ${PORT} (cmd: ... --port ${PORT}), or say where it listens (proxy: http://127.0.0.1:PORT)

and what works, but probably not as meant:
c.yaml:3:19: models.qwen.cmd: {PORT} is not filled in
        cmd: x --port {PORT}
                      ^
    write ${PORT}""",
    ),
    (
        "a macro without end",
        """\
models:
  qwen:
    cmd: x --port ${PORT
""",
        """\
c.yaml:3:5: models.qwen.proxy: cmd says ${PORT, which nobody fills in, so the model has no port
        cmd: x --port ${PORT
        ^
    either let it listen on ${PORT} (cmd: ... --port ${PORT}), or say where it listens (proxy: http://127.0.0.1:PORT)

and what works, but probably not as meant:
c.yaml:3:19: models.qwen.cmd: ${PORT is not filled in
        cmd: x --port ${PORT
                      ^
    write ${PORT}""",
    ),
    (
        "a misspelt variable",
        """\
models:
  qwen:
    cmd: x ${PORT} -m ${env.HOEM}/m.gguf
""",
        """\
c.yaml:3:23: models.qwen.cmd: the environment variable HOEM is not set
        cmd: x ${PORT} -m ${env.HOEM}/m.gguf
                          ^
    did you mean ${env.HOME}? Otherwise set HOEM in the environment of the daemon""",
    ),
    (
        "another program's variable",
        """\
models:
  qwen:
    cmd: x ${PORT} -m ${env:HOME}/m.gguf
""",
        """\
c.yaml:3:23: models.qwen.cmd: ${env:HOME} is no reference to an environment variable, and stays as it is
        cmd: x ${PORT} -m ${env:HOME}/m.gguf
                          ^
    write ${env.HOME}""",
    ),
    (
        "a Windows path in double quotes",
        """\
models:
  qwen:
    cmd: "C:\\models\\srv.exe --port ${PORT}"
""",
        """\
c.yaml:3:13: an unknown escape in double quotes
        cmd: "C:\\models\\srv.exe --port ${PORT}"
                ^
    write \\\\ for a backslash, or use single quotes, in which backslashes are ordinary""",
    ),
    (
        "a list as command",
        """\
models:
  qwen:
    cmd: [llama-server, --port, '${PORT}']
""",
        """\
c.yaml:3:10: models.qwen.cmd: this must be a text, not a list
        cmd: [llama-server, --port, '${PORT}']
             ^
    write one text; long ones go on several lines after key: |""",
    ),
    (
        "a comment in a folded command",
        """\
models:
  qwen:
    cmd: >
      llama-server
      # note
      --port ${PORT}
""",
        """\
c.yaml:5:7: models.qwen.cmd: # starts a comment only at the start of a line; here it is passed to the program
          # note
          ^
    give the comment a line of its own below cmd: | (below > or nothing, lines are joined)""",
    ),
    (
        "a block that is not indented",
        """\
models:
  qwen:
    cmd: |
    llama-server
    --port ${PORT}
""",
        """\
c.yaml:4:5: the text that belongs to the | above is not indented
        llama-server
        ^
    indent it deeper than its key""",
    ),
    (
        "a continuation that is not indented",
        """\
models:
  qwen:
    cmd: llama-server
    --port ${PORT}
""",
        """\
c.yaml:4:5: a key without a colon
        --port ${PORT}
        ^
    write key: value; if the line continues the value above, indent it deeper than cmd""",
    ),
    (
        "a comment inside a value",
        """\
models:
  qwen:
    cmd: llama-server
      # note
      --port ${PORT}
""",
        """\
c.yaml:5:7: a comment ends the value above, so this line belongs to nothing
          --port ${PORT}
          ^
    write cmd: | and all of the value below it, indented""",
    ),
    (
        "a text beside the sign of a block",
        """\
models:
  qwen:
    cmd: | llama-server --port ${PORT}
""",
        """\
c.yaml:3:12: a text follows | in the same line
        cmd: | llama-server --port ${PORT}
               ^
    put it on the next line, indented""",
    ),
    (
        "a merge conflict",
        """\
models:
  qwen:
<<<<<<< HEAD
    cmd: x ${PORT}
=======
    cmd: y ${PORT}
>>>>>>> main
""",
        """\
c.yaml:3:1: two versions of this file were not merged, and the marks of the conflict are still in it
    <<<<<<< HEAD
    ^
    keep one of the two versions, and remove the lines <<<<<<<, ======= and >>>>>>>""",
    ),
    (
        "two commas",
        """\
{"models": {"qwen": {"cmd": "x ${PORT}",,}}}""",
        """\
c.yaml:1:41: nothing stands before this comma
    {"models": {"qwen": {"cmd": "x ${PORT}",,}}}
                                            ^
    remove the comma""",
    ),
    (
        "a missing comma",
        """\
{
"startPort": 5800
"globalTTL": 5
}""",
        """\
c.yaml:2:18: a comma is missing at the end of this line
    "startPort": 5800
                     ^
    put a comma between two entries""",
    ),
    (
        "comments of JavaScript",
        """\
{
// note
"startPort": 5800
}
""",
        """\
c.yaml:2:1: // starts no comment
    // note
    ^
    start comments with #""",
    ),
    (
        "a brace too many",
        """\
{"models": {}}}
""",
        """\
c.yaml:1:15: this } closes nothing
    {"models": {}}}
                  ^
    remove it, or look for one that is missing""",
    ),
    (
        "a reference in a mapping of braces",
        """\
models:
  a: {cmd: x ${PORT}}
""",
        """\
c.yaml:2:14: inside of [ ] and { }, a value that holds ${...} needs quotes
      a: {cmd: x ${PORT}}
                 ^
    put the value in quotes, or each key on a line of its own without { }""",
    ),
    (
        "an open bracket",
        """\
models:
  a:
    aliases: [x, y
    cmd: z ${PORT}
""",
        """\
c.yaml:3:14: the bracket [ opened here is not closed as it should be
        aliases: [x, y
                 ^
    close it with ], and put a comma between items""",
    ),
    (
        "typographic quotation marks",
        """\
models:
  qwen:
    cmd: “x ${PORT}”
""",
        """\
c.yaml:3:10: models.qwen.cmd: the typographic quotation mark U+201C becomes part of the value
        cmd: “x ${PORT}”
             ^
    write " or ' instead""",
    ),
    (
        "a typographic dash",
        """\
models:
  qwen:
    cmd: x –port ${PORT}
""",
        """\
c.yaml:3:12: models.qwen.cmd: the dash U+2013 is no hyphen, so this is no option to the program
        cmd: x –port ${PORT}
               ^
    write - or -- with ordinary hyphens""",
    ),
    (
        "a byte order mark inside",
        """\
startPort: 5800
\ufeffmodels: {}
""",
        """\
c.yaml:2:2: a byte order mark (U+FEFF) in the middle of the file, left where two files were joined
    \\ufeffmodels: {}
          ^
    remove it: type this line anew""",
    ),
    (
        "a NUL",
        """\
startPort: 5800\x00
""",
        """\
c.yaml:1:16: the control character U+0000, which YAML does not allow
    startPort: 5800\\x00
                   ^
    this is no text file, or one in UTF-16: save it as UTF-8""",
    ),
    (
        "a model twice",
        """\
models:
  qwen:
    cmd: llama-server --port ${PORT}
  qwen:
    cmd: y ${PORT}
""",
        """\
c.yaml:4:3: models.qwen: this key stands here twice, first in line 2
      qwen:
      ^
    remove or rename one of them""",
    ),
    (
        "TOML",
        """\
[models.qwen]
cmd = "x"
""",
        """\
c.yaml:1:1: this looks like TOML, but a configuration is YAML
    [models.qwen]
    ^
    write models:, and the rest below it as key: value""",
    ),
    (
        "a page's fence",
        """\
```yaml
models: {}
```
""",
        """\
c.yaml:1:1: a line ``` from the page this was copied from
    ```yaml
    ^
    remove the lines that start with ```""",
    ),
    (
        "a number with unit",
        """\
models:
  qwen:
    cmd: llama-server --port ${PORT}
    ttl: 5m
""",
        """\
c.yaml:4:10: models.qwen.ttl: this must be a whole number, not text ("5m")
        ttl: 5m
             ^
    write 300: it is in seconds, without a unit""",
    ),
    (
        "a number in quotes",
        """\
models:
  qwen:
    cmd: llama-server --port ${PORT}
    ttl: '300'
""",
        """\
c.yaml:4:10: models.qwen.ttl: this must be a whole number, not text ("300")
        ttl: '300'
             ^
    remove the quotes""",
    ),
    (
        "env as mapping",
        """\
models:
  qwen:
    cmd: llama-server --port ${PORT}
    env: {A: b}
""",
        """\
c.yaml:4:10: models.qwen.env: this must be a list, not a mapping
    write env: and below it one line for each, as in - NAME=value""",
    ),
    (
        "one alias without list",
        """\
models:
  qwen:
    cmd: llama-server --port ${PORT}
    aliases: gpt
""",
        """\
c.yaml:4:14: models.qwen.aliases: this must be a list, not text ("gpt")
        aliases: gpt
                 ^
    write aliases: and below it one line for each, as in - value""",
    ),
    (
        "equals sign",
        """\
models:
  qwen:
    cmd = x ${PORT}
""",
        """\
c.yaml:3:5: models.qwen: this must be a mapping, not text ("cmd = x ${PORT}")
        cmd = x ${PORT}
        ^
    write its keys below it, indented: cmd:, cmdStop:, proxy:, checkEndpoint:, aliases:, ...

and what works, but probably not as meant:
c.yaml:3:5: models.qwen: an equals sign where a colon is due
        cmd = x ${PORT}
        ^
    write cmd: x ${PORT}""",
    ),
    (
        "an alias given twice",
        """\
models:
  qwen:
    cmd: llama-server --port ${PORT}
    aliases: [gpt]
  other:
    cmd: x ${PORT}
    aliases: [gpt]
""",
        """\
c.yaml:7:15: models.other.aliases[0]: this alias is given twice, first to the model qwen at c.yaml:4:15 ('gpt')
        aliases: [gpt]
                  ^
    keep one of them: an alias belongs to one model""",
    ),
    (
        "a misspelt group member",
        """\
models:
  qwen:
    cmd: llama-server --port ${PORT}
groups:
  small:
    members: [qwem]
""",
        """\
c.yaml:6:15: groups.small.members[0]: there is no such model ("qwem")
        members: [qwem]
                  ^
    did you mean qwen?""",
    ),
    (
        "stripParams one level too high",
        """\
models:
  qwen:
    cmd: llama-server --port ${PORT}
    stripParams: temperature
""",
        """\
c.yaml:4:5: models.qwen.stripParams: unknown key, ignored
        stripParams: temperature
        ^
    this key belongs under models.<name>.filters""",
    ),
    (
        "startPort out of range",
        """\
startPort: 65535
models:
  qwen:
    cmd: llama-server --port ${PORT}
  zephyr:
    cmd: x ${PORT}
""",
        """\
c.yaml:5:3: models.zephyr.proxy: there is no port 65536 ("http://localhost:65536")
      zephyr:
      ^
    lower startPort""",
    ),
    (
        "startPort zero",
        """\
startPort: 0
models:
  qwen:
    cmd: llama-server --port ${PORT}
""",
        """\
c.yaml:1:12: startPort: this must be 1 or more (0)
    startPort: 0
               ^
    write 1 or more""",
    ),
    (
        "a misspelt key",
        """\
models:
  qwen:
    cmd: llama-server --port ${PORT}
    alaises: [gpt]
""",
        """\
c.yaml:4:5: models.qwen.alaises: unknown key, ignored
        alaises: [gpt]
        ^
    did you mean aliases?""",
    ),
    (
        "a duration without unit",
        """\
performance:
  every: 20
""",
        """\
c.yaml:2:10: performance.every: this must be a length of time, not a number (20)
      every: 20
             ^
    write a number with its unit, such as 5s or 1m30s

and what works, but probably not as meant:
c.yaml:1:1: performance: recognised, but this version does not act on it yet
    performance:
    ^""",
    ),
    (
        "a scheduler misspelt",
        """\
routing:
  scheduler:
    use: fifi
""",
        """\
c.yaml:3:10: routing.scheduler.use: there is no such choice ("fifi")
        use: fifi
             ^
    did you mean fifo?""",
    ),
    (
        "an environment variable before the program",
        """\
models:
  qwen:
    cmd: CUDA_VISIBLE_DEVICES=0 llama-server --port ${PORT}
""",
        """\
c.yaml:3:10: models.qwen.cmd: CUDA_VISIBLE_DEVICES=... stands where the program is due; commands see no shell
        cmd: CUDA_VISIBLE_DEVICES=0 llama-server --port ${PORT}
             ^
    move it to the model's env: [CUDA_VISIBLE_DEVICES=...]""",
    ),
    (
        "a pipe",
        """\
models:
  qwen:
    cmd: llama-server --port ${PORT} | tee log
""",
        """\
c.yaml:3:38: models.qwen.cmd: | is passed to the program as it is: commands see no shell
        cmd: llama-server --port ${PORT} | tee log
                                         ^
    write cmd: sh -c '...' if a shell is meant""",
    ),
    (
        "look-ahead",
        """\
upstream:
  ignorePaths: ['^(?!/v1)']
""",
        """\
c.yaml:2:17: upstream.ignorePaths[0]: this is no regular expression: look-ahead and look-behind do not exist here (invalid perl operator: (?!) ("^(?!/v1)")
      ignorePaths: ['^(?!/v1)']
                    ^
    write an RE2 expression: https://github.com/google/re2/wiki/Syntax

and what works, but probably not as meant:
c.yaml:2:3: upstream.ignorePaths: recognised, but this version does not act on it yet
      ignorePaths: ['^(?!/v1)']
      ^""",
    ),
    (
        "a fixed port",
        """\
models:
  qwen:
    cmd: llama-server --port 9001
""",
        """\
c.yaml:3:5: models.qwen.proxy: the model has no proxy, and its cmd does not use ${PORT}, so nobody knows where it listens
        cmd: llama-server --port 9001
        ^
    either let it listen on ${PORT} (cmd: ... --port ${PORT}), or say where it listens (proxy: http://127.0.0.1:9001)""",
    ),
    (
        "an api key with a space",
        """\
apiKeys: ['a b']
""",
        """\
c.yaml:1:11: apiKeys[0]: an API key must not hold a blank
    choose another key""",
    ),
    (
        "groups without settings",
        """\
routing:
  router:
    groups: {}
""",
        """\
c.yaml:3:5: routing.router.groups: unknown key, ignored
        groups: {}
        ^
    this key belongs under routing.router.settings""",
    ),
    (
        "a scheduler one level too high",
        """\
routing:
  use: fifo
""",
        """\
c.yaml:2:3: routing.use: unknown key, ignored
      use: fifo
      ^
    this key belongs under routing.scheduler""",
    ),
    (
        "a router at the top level",
        """\
use: group
""",
        """\
c.yaml:1:1: use: unknown key, ignored
    use: group
    ^
    this key belongs under routing.router""",
    ),
    (
        "a model's own time to start",
        """\
models:
  qwen:
    cmd: llama-server --port ${PORT}
    health_check_timeout: 300
""",
        """\
c.yaml:4:5: models.qwen.health_check_timeout: unknown key, ignored
        health_check_timeout: 300
        ^
    this is a key of the top level: healthCheckTimeout, for all models""",
    ),
    (
        "env with a colon",
        """\
models:
  qwen:
    cmd: llama-server --port ${PORT}
    env: [FOO: hunter2]
""",
        """\
c.yaml:4:11: models.qwen.env[0]: this must be a text, not a mapping
    write - FOO=value, with an equals sign and no blank""",
    ),
    (
        "a list of keys to strip",
        """\
models:
  qwen:
    cmd: llama-server --port ${PORT}
    filters:
      stripParams: [top_k, top_p]
""",
        """\
c.yaml:5:20: models.qwen.filters.stripParams: this must be a text, not a list
          stripParams: [top_k, top_p]
                       ^
    write stripParams: top_k, top_p""",
    ),
    (
        "a scheduler without use",
        """\
routing:
  scheduler: fifo
""",
        """\
c.yaml:2:14: routing.scheduler: this must be a mapping, not text ("fifo")
      scheduler: fifo
                 ^
    write scheduler: {use: fifo}""",
    ),
    (
        "a group as a list",
        """\
models:
  qwen:
    cmd: llama-server --port ${PORT}
groups:
  small: [qwen]
""",
        """\
c.yaml:5:10: groups.small: this must be a mapping, not a list
      small: [qwen]
             ^
    write members: and the list below it, indented""",
    ),
    (
        "a profile as a list",
        """\
models:
  qwen:
    cmd: llama-server --port ${PORT}
profiles:
  day: [qwen]
""",
        """\
c.yaml:5:8: profiles.day: this must be a mapping, not a list
      day: [qwen]
           ^
    write pins: {requested-name: name-to-use}

and what works, but probably not as meant:
c.yaml:4:1: profiles: recognised, but this version does not act on it yet
    profiles:
    ^""",
    ),
    (
        "settings of serial as a number",
        """\
routing:
  scheduler:
    settings:
      serial: 4
""",
        """\
c.yaml:4:15: routing.scheduler.settings.serial: this must be a mapping, not a number (4)
          serial: 4
                  ^
    write its keys below it, indented: parallel:, abortOrphanLoads:""",
    ),
    (
        "an operator of a shell in a set",
        """\
models:
  qwen:
    cmd: llama-server --port ${PORT}
matrix:
  sets:
    duo: qwen && qwen
""",
        """\
c.yaml:6:16: matrix.sets.duo: column 7: a model or a set is missing before &
        duo: qwen && qwen
                   ^
    write one &""",
    ),
    (
        "a web page",
        """\
<!DOCTYPE html>
<html><body>a: b: c</body></html>
""",
        """\
c.yaml:1:1: this is a web page, not a configuration
    <!DOCTYPE html>
    ^
    was the download refused? Fetch the file itself""",
    ),
    (
        "a time to start with its unit",
        """\
healthCheckTimeout: 5m
""",
        """\
c.yaml:1:21: healthCheckTimeout: this must be a whole number, not text ("5m")
    healthCheckTimeout: 5m
                        ^
    write 300: it is in seconds, without a unit""",
    ),
    (
        "a model without a command",
        """\
models:
  qwen:
    ttl: 5
""",
        """\
c.yaml:2:3: models.qwen: the model has no command and cannot be started
      qwen:
      ^
    give it a cmd: ... --port ${PORT}""",
    ),
    (
        "a macro that refers to itself",
        """\
macros:
  a: x ${a}
models:
  qwen:
    cmd: ${a} ${PORT}
""",
        """\
c.yaml:2:8: macros.a: this macro refers to itself
      a: x ${a}
           ^
    use another name; a macro cannot extend one of the same name""",
    ),
    (
        "a Windows path in no quotes",
        """\
models:
  qwen:
    cmd: |
      D:\\llama\\llama-server.exe --port ${PORT}
      -m "D:\\models\\x.gguf"
""",
        """\
c.yaml:4:7: models.qwen.cmd: backslashes outside of quotes are lost: D:\\llama\\llama-server.exe becomes D:llamallama-server.exe
          D:\\llama\\llama-server.exe --port ${PORT}
          ^
    put the path in quotes inside of the command, or write forward slashes""",
    ),
    (
        "macros that refer to each other",
        """\
macros:
  a: x ${b}
  b: y ${a}
models:
  qwen:
    cmd: ${b} ${PORT}
""",
        """\
c.yaml:6:10: models.qwen.cmd: the macros refer to each other: a -> b -> a
        cmd: ${b} ${PORT}
             ^
    write the text itself in one of them: a at c.yaml:2:3, b at c.yaml:3:3""",
    ),
    (
        "macros that refer to each other in a wide circle",
        """\
macros:
  x: 1
  a: x ${b}
  b: y ${x} ${c}
  c: z ${a}
  d: ${c}
models:
  qwen:
    cmd: ${d} ${PORT}
""",
        """\
c.yaml:9:10: models.qwen.cmd: the macros refer to each other: a -> b -> c -> a
        cmd: ${d} ${PORT}
             ^
    write the text itself in one of them: a at c.yaml:3:3, b at c.yaml:4:3, c at c.yaml:5:3""",
    ),
]


def told(text: str) -> str:
    try:
        return "\n".join(map(str, load_text(text, "c.yaml", {"HOME": "/root"}).warnings))
    except ConfigError as error:
        return str(error).partition("\n")[2]


@pytest.mark.parametrize(("text", "message"), [pytest.param(t, m, id=name) for name, t, m in MISTAKES])
def test_a_mistake_is_told_so_that_it_can_be_mended(text: str, message: str) -> None:
    assert told(text) == message


@pytest.mark.parametrize(
    "text",
    [
        "models: {a: {cmd: \"sh -c 'x --port $PORT | tee ~/log'\", proxy: http://h, env: [PORT=9]}}",
        "models: {a: {cmd: 'x --chat-template {{bos}} -p 5 > 3', proxy: http://h}}".replace(" > 3", ""),
        "models: {a: {cmd: 'x --fmt %s {} {a} $ $5 100%', proxy: http://h}}",
        "models:\n  a:\n    cmd: x --port ${PORT} # --ctx-size 4096\n",
        "models:\n  a:\n    cmd: x --port ${PORT} #fast\n",
        "models:\n  a:\n    cmd:\n      docker:latest --port ${PORT}\n",
        "models:\n  a:\n    cmd: x --port ${PORT}\n    name: qwen:7b\n    aliases:\n      - qwen:7b\n    env:\n      - A=b\n",
        "models:\n  a:\n    cmd: x --stop '<|im_end|>' --port ${PORT}\n    description: a “good” model\n",
    ],
)
def test_what_is_meant_as_it_stands_is_left_in_peace(text: str) -> None:
    assert told(text) == ""
