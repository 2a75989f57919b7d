"""Models that somebody made to do harm: templates that never end or fill the memory, weights whose headers lie. Each is
refused with one clear error, within seconds and little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from postgrad.models.rendering.template import FALLBACK, Template
from postgrad.records import Message

ROOT = Path(__file__).parents[2]
TALK = [Message("user", "hello"), Message("assistant", "there")]
ENDLESS = {
    "loops within loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "a macro that calls itself twice": (
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}"
    ),
    "a text that doubles by +": (
        "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}"
    ),
    "a text that doubles by ~": (
        "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}"
    ),
    "a list that doubles": (
        "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}"
    ),
    "a text times a number": "{{ 'x' * 10000000000 }}",
    "a list times a number": "{{ ([1] * 10000000000)|length }}",
    "a power": "{{ 10 ** (10 ** 9) }}",
    "a wide place": "{{ '%1000000000d' % 1 }}",
    "a width among the values": "{{ '%*d' % (1000000000, 1) }}",
    "a wide format": "{{ '{:>1000000000}'.format(1) }}",
    "a format within a format": "{{ '{:>{}}'.format(1, 1000000000) }}",
    "the filter format": "{{ '%1000000000d'|format(1) }}",
    "center": "{{ 'x'|center(1000000000) }}",
    "ljust": "{{ 'x'.ljust(1000000000) }}",
    "zfill": "{{ 'x'.zfill(1000000000) }}",
    "expandtabs": "{{ '\t'.expandtabs(1000000000) }}",
    "indent": "{{ 'x\ny'|indent(1000000000) }}",
    "batch": "{{ [1]|batch(1000000000, 'x')|list }}",
    "replace": "{% set x = 'x' * 60000000 %}{{ x|replace('x', 'yyyyyyyy') }}",
    "replace, the method": "{% set x = 'x' * 60000000 %}{{ x.replace('x', 'yyyyyyyy') }}",
    "tojson": "{{ [[1]]|tojson(indent=1000000000) }}",
    "output without end": "{% for a in range(99999) %}{{ 'x' * 60000 }}{% endfor %}",
    "lipsum": "{{ lipsum(n=1000000) }}",
    "a recursive loop": ("{% set x = [] %}{% for a in [[[]]] recursive %}{{ loop([[1, 2, [3]]]) }}{% endfor %}"),
    "deep": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "long": "{# " + "x" * (2 << 20) + " #}",
    "python's insides": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "format that is no method": "{{ '{:>20000000000}'.format(1)|length }}",
    "a long separator": "{{ ([1] * 1000)|join('x' * 6000000) }}",
    "a long indent": "{{ ('a\n' * 1000000)|indent(1000)|length }}",
    "an indent of text": "{{ 'a\nb'|indent('x' * 6000000)|length }}",
    "translate": "{{ ('a' * 1000).translate({97: 'x' * 6000000})|length }}",
    "bytes": "{{ 'x'.encode().ljust(20000000000)|length }}",
    "a number as bytes": "{{ (1).to_bytes(20000000000, 'big')|length }}",
    "lists in a sum": "{{ ([[1]] * 100000)|sum(start=[])|length }}",
    "brackets in a place": "{{ ('%(a(b))9999999999s' % {'a(b)': 1})|length }}",
    "a list within lists": "{{ [[0] * 6000000] * 1000 }}",
    "joined lists": "{{ ([[0] * 6000000] * 1000) ~ 'x' }}",
    "all that is kept": (
        "{% set n = namespace(x=[]) %}{% for i in range(99999) %}"
        "{% set n.x = n.x + ['x' * 10000000 ~ i] %}{% endfor %}{{ n.x|length }}"
    ),
    "a test within a filter": "{{ range(99999)|reject('in', [1.5] * 6000000)|list }}",
    "mapped without end": "{{ range(99999)|map('replace', '', 'x' * 1000000)|list|length }}",
    "a product of numbers": (
        "{% set n = namespace(x=3) %}{% for i in range(60) %}{% set n.x = n.x * n.x %}{% endfor %}{{ n.x }}"
    ),
    "a date without end": "{{ strftime_now('%1000000000d') }}",
}
CHILD = """
import json, os, resource, sys, time
from postgrad.errors import PostgradError
from postgrad.models.rendering import bounded_template
from postgrad.models.rendering.template import Template
bounded_template.SECONDS = 1.0
from tests.hostile.test_models import ENDLESS, TALK
Template('{{ messages[0].content }}', {}).text(TALK)
for name, source in ENDLESS.items():
    if os.fork() == 0:  # each with its own memory
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
        began = time.thread_time()
        try:
            said = 'written: %d characters' % len(Template(source, {}).text(TALK))
        except PostgradError as error:
            said = 'refused: ' + error.message[:200]
        print(json.dumps([name, said, time.thread_time() - began]), flush=True)
        os._exit(0)
    os.wait()
"""


def test_every_template_ends():
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PATH": "/usr/bin:/bin"},
    )
    told = {name: (said, seconds) for name, said, seconds in map(json.loads, done.stdout.splitlines())}
    assert set(told) == set(ENDLESS), (set(ENDLESS) - set(told), done.stderr[-2000:])
    assert {name: said for name, (said, _) in told.items() if not said.startswith("refused")} == {}
    assert max(seconds for _, seconds in told.values()) < 30


@pytest.mark.parametrize(
    "source",
    [
        FALLBACK,
        "{{ 'Order 1234567890123: %s' % messages[0].content }}",
        "{{ '{} at {:>12}'.format(1700000000, 'x') }}",
        "{% for m in messages %}{{ loop.index ~ '/' ~ loop.length ~ (' last' if loop.last) }}{% endfor %}",
        "{% for m in messages if m.role == 'user' %}{{ m.content|trim|upper }}{% else %}none{% endfor %}",
        "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}{{ v|default(9999999999) }}{% endfor %}",
        "{% for m in messages %}{{ loop.previtem.content if loop.previtem }}{{ loop.cycle('a', 'b') }}{% endfor %}",
        "{{ messages|map(attribute='content')|join(', ') }}{{ messages[::-1][0].content }}{{ 'a-b'.split('-') }}",
        "{% macro f(x) %}[{{ x }}]{% endmacro %}{{ f(messages[0].content) }}{{ 2 ** 10 }}{{ '%05d' % 7 }}",
        "{{ messages|selectattr('role', 'equalto', 'user')|list|length }}{{ [3, 1700000000]|select('>', 5)|list }}",
        "{{ messages[0]|tojson(indent=4) }}{{ ['b', 'a']|sort|join('-') }}{{ 'a b'|title }}{{ {'b': 1}|dictsort }}",
        "{{ messages[0].content.split('e')[-1].lstrip('l') }}{{ messages[0].get('x', 'no') }}{{ 7 // 2 }}{{ 'a' ~ 1 }}",
        "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
    ],
)
def test_what_templates_usually_do_is_written_as_jinja_writes_it(source):
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    plain = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    plain.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
    seen = [{"role": m.role, "content": m.content} for m in TALK]
    expected = plain.from_string(source).render(messages=seen, eos_token="</s>")
    assert Template(source, {"eos_token": "</s>"}).text(TALK) == expected


def test_headers_that_lie(tiny_folder):
    """Mutated weights, configurations and tokenizers; the long form is the bench itself."""
    command = [sys.executable, str(ROOT / "bench" / "fuzz_models.py"), "--count", "10", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert json.loads(done.stdout)["refused"] > 2
