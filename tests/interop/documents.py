"""calmd print: each document is read by the program that it is for."""

import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import REPOSITORY, expect, expect_equal, run

# .ci/run puts PyYAML there, unless it is installed.
sys.path.append(str(REPOSITORY / "target/python"))
import yaml  # noqa: E402

# The most that systemd may find exposed of the service, of 10: below 2 it says "OK" with a smile.
EXPOSURE = 2.0


def checks(report, binary):
    """All checks of this group."""
    with tempfile.TemporaryDirectory(prefix="calmd-interop-") as place:
        systemd(report, binary, Path(place))
        readme(report, Path(place))
        others(report, binary, Path(place))


def printed(binary, *words):
    """The text of a document."""
    done = run(binary, "print", *words)
    expect_equal(done.returncode, 0, f"the exit code of print {words}: {done.stderr}")
    return done.stdout.decode()


def verify(place, units):
    """Has systemd read units, of which the programs need not be installed."""
    for name, text in units.items():
        (place / name).write_text(re.sub(r"^ExecStart=/usr/local/bin/calmd", "ExecStart=/bin/true", text, flags=re.M))
    done = run("systemd-analyze", "verify", *(place / name for name in units))
    said = done.stderr.decode() + done.stdout.decode()
    expect(done.returncode == 0, f"systemd-analyze verify: {said}")
    return said


def systemd(report, binary, place):
    """Units for one process, and for several."""
    units_of(report, binary, place / "one", ["systemd"], ["calmd-tls.socket", "calmd.service", "calmd.socket"])
    units_of(report, binary, place / "several", ["systemd-several"],
             ["calmd-tls@.socket", "calmd@.service", "calmd@.socket"])


def units_of(report, binary, place, words, names):
    """The units of a document."""
    place.mkdir()
    parts = re.split(r"^# /etc/systemd/system/(\S+)$\n", printed(binary, *words), flags=re.M)
    units = dict(zip(parts[1::2], parts[2::2]))
    with report.check(f"systemd-analyze verify finds nothing wrong with the units of print {' '.join(words)}"):
        expect_equal(sorted(units), names, "the units")
        expect_equal(verify(place, units), "", "what it says")
    with report.check(f"systemd-analyze security tells an exposure of {EXPOSURE} at most") as figure:
        [service] = place.glob("*.service")
        done = run("systemd-analyze", "security", "--offline=yes", service)
        told = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout.decode())
        expect(told, f"it says {done.stdout[-300:]} {done.stderr}")
        figure.append(told.group(1))
        expect(float(told.group(1)) <= EXPOSURE, "it is more")


def readme(report, place):
    """The unit of README.md."""
    with report.check("systemd-analyze verify takes the unit of README.md"):
        blocks = re.findall(r"```ini\n(.*?)```", (REPOSITORY / "README.md").read_text(), flags=re.S)
        units = [block for block in blocks if "[Install]" in block and "ExecStart=" in block]
        expect_equal(len(units), 1, "the number of whole units")
        # The user is there only where the operator has made it.
        said = verify(place, {"readme.service": units[0].replace("User=calmd", "User=root")})
        expect("Unknown" not in said and "ignoring" not in said, f"it says {said}")


def others(report, binary, place):
    """Kubernetes, man and completions."""
    with report.check("the manifests for Kubernetes are YAML, and their names fit together"):
        deployment, service, budget = yaml.safe_load_all(printed(binary, "kubernetes"))
        kinds = [document["kind"] for document in (deployment, service, budget)]
        expect_equal(kinds, ["Deployment", "Service", "PodDisruptionBudget"], "the kinds")
        pod = deployment["spec"]["template"]
        labels = pod["metadata"]["labels"]
        for selector in (deployment["spec"]["selector"]["matchLabels"], service["spec"]["selector"],
                         budget["spec"]["selector"]["matchLabels"]):
            expect_equal(selector, labels, "a selector")
        [container] = pod["spec"]["containers"]
        ports = {port["name"] for port in container["ports"]}
        wanted = {service["spec"]["ports"][0]["targetPort"], container["readinessProbe"]["httpGet"]["port"],
                  container["livenessProbe"]["httpGet"]["port"]}
        expect(wanted <= ports, f"of {wanted} there are {ports}")
        settings = {f"{entry['name']}={entry['value']}" for entry in container["env"]}
        site = place / "site"
        site.mkdir()
        done = run("env", *settings, binary, "check", site)
        expect_equal(done.returncode, 0, f"calmd check with its variables: {done.stderr}")
    with report.check("groff formats the manual page without a complaint"):
        page = place / "calmd.1"
        page.write_text(printed(binary, "man"))
        done = run("groff", "-man", "-ww", "-Tascii", page)
        expect_equal((done.returncode, done.stderr), (0, b""), "the exit code and complaints")
        expect("--cache-memory SIZE" in re.sub(".\b", "", done.stdout.decode()), "an option is missing")
    with report.check("bash completes options and their files"):
        script = place / "completions"
        script.write_text(printed(binary, "completions", "bash"))
        for words, expected in [("calmd --cache-m", "--cache-memory"), ("calmd --cert " + str(place) + "/cal", str(page)),
                                ("calmd pri", "print")]:
            done = run("bash", "-c", f"source {script}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); "
                                     "_calmd; printf '%s\\n' \"${COMPREPLY[@]}\"")
            expect(expected in done.stdout.decode().split(), f"{words}: {done.stdout} {done.stderr}")
    completions(report, binary, place)


def completions(report, binary, place):
    """Completions for fish and zsh: the line as typed, and the word that it comes to."""
    (place / "words").mkdir()
    (place / "words/a-certificate.pem").touch()
    cases = [("calmd --cache-m", "--cache-memory"), ("calmd --helper of", "off"), ("calmd pri", "print"),
             ("calmd print kub", "kubernetes"), ("calmd print completions z", "zsh"),
             ("calmd --cert a-cert", "a-certificate.pem"), ("calmd check --error-p", "--error-page")]
    with report.check("fish completes options, words and files"):
        script = place / "calmd.fish"
        script.write_text(printed(binary, "completions", "fish"))
        for line, expected in cases:
            done = run("fish", "--no-config", "-c", f"source {script}; complete -C '{line}'", cwd=place / "words",
                       env=os.environ | {"HOME": str(place)})
            expect_equal(done.stderr, b"", f"complaints about {line}")
            found = [found.split("\t")[0] for found in done.stdout.decode().splitlines()]
            expect_equal(found, [expected], line)
    with report.check("zsh completes options, words and files"):
        (place / "_calmd").write_text(printed(binary, "completions", "zsh"))
        for line, expected in cases:
            typed = f"{line.rsplit(' ', 1)[0]} {expected}"
            shown = in_zsh(place, line)
            expect(typed in shown, f"{line} becomes {shown!r}")


def in_zsh(place, line):
    """The text of an interactive zsh's screen behind a line and a tabulator. It has no way to complete without one."""
    setup = f"PS1='> '; fpath=({place} $fpath); autoload -Uz compinit; compinit -D -u; unsetopt beep; echo re''ady"
    master, slave = pty.openpty()
    shell = subprocess.Popen(["zsh", "-f", "-i"], stdin=slave, stdout=slave, stderr=slave, cwd=place / "words",
                             env=os.environ | {"HOME": str(place), "TERM": "dumb"}, start_new_session=True)
    os.close(slave)
    screen = b""

    def until(done, seconds):
        nonlocal screen
        deadline = time.monotonic() + seconds
        while not done(screen) and (left := deadline - time.monotonic()) > 0:
            if select.select([master], [], [], left)[0]:
                screen += os.read(master, 4096)

    try:
        os.write(master, setup.encode() + b"\n")
        until(lambda text: b"> " in text.partition(b"ready\r\n")[2], 20)
        begun = len(screen)
        # The second key ends the line behind what is completed, and is echoed when that is done.
        os.write(master, line.encode() + b"\t#\n")
        until(lambda text: b"#" in text[begun:], 20)
        return screen[begun:].decode(errors="replace")
    finally:
        shell.kill()
        shell.wait()
        os.close(master)
