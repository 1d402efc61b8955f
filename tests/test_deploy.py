"""What is in deploy/: that nginx does what it is there for, and that all files fit the service and one another."""

import contextlib
import datetime
import functools
import http.client
import http.server
import json
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Iterator

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from service.lab.servers import MissingProgram, NginxServer, free_port, program
from service.settings import _READERS, PROJECT, read_settings
from service.web.parts import AUDIO, PAGES, serves
from service.web.probes import HEALTH, METRICS, READY

DEPLOY = PROJECT / "deploy"
OF_OTHERS = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD_FILE", "PATH", "PYTHONUNBUFFERED"}
"""Variables of other programs."""
HOSTED = "guide.example"
SYSTEMD_ANALYZE = shutil.which("systemd-analyze")


def read(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


# --- nginx ------------------------------------------------------------------------------------------------

class Process(http.server.ThreadingHTTPServer):
    """Stands for a process of the service: says who it is and what it was sent."""

    daemon_threads = True

    def __init__(self, name: str):
        self.name, self.went_on, self.requests = name, threading.Event(), []
        self.breaks = False
        """True: it takes requests and goes away without an answer."""
        super().__init__(("127.0.0.1", 0), _Answers)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


class _Answers(http.server.BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

    def do_GET(self) -> None:
        if self.headers.get("Upgrade") == "websocket":
            return self._socket()
        if self.path.endswith("/events"):
            return self._events()
        self._tell()

    def do_POST(self) -> None:
        self._tell()

    def _tell(self) -> None:
        length = len(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.server.requests.append(self.path)
        if self.server.breaks:
            self.close_connection = True
            return
        body = json.dumps({"by": self.server.name, "length": length, "headers": dict(self.headers)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"data:\n\n")
        self.server.went_on.wait(10)

    def _socket(self) -> None:
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.end_headers()
        self.wfile.write(self.server.name.encode() + self.rfile.read(4))
        self.close_connection = True

    def log_message(self, *_) -> None:
        pass


class Site:
    """nginx with the files of deploy/nginx in front of four processes."""

    def __init__(self, folder: Path):
        self.processes = {name: Process(name) for name in ("pages1", "pages2", "audio1", "audio2")}
        self.plain, self.secure = free_port(), free_port()
        make_certificate(folder)
        ports = [process.server_port for process in self.processes.values()]
        self.nginx = NginxServer(rendered(folder, ports, self.plain, self.secure))

    def stop(self) -> None:
        self.nginx.stop()
        for process in self.processes.values():
            process.went_on.set()
            process.shutdown()
            process.server_close()

    def connection(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.secure, timeout=10, context=context)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str):
        """(status, headers, JSON or None)."""
        with contextlib.closing(self.connection()) as connection:
            connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, answer.headers, json.loads(text) if answer.status == 200 else None


def asked(connection: http.client.HTTPSConnection, path: str) -> dict:
    connection.request("GET", path)
    return json.loads(connection.getresponse().read())


def make_certificate(folder: Path) -> None:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string(f"CN={HOSTED}")
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256()))
    tls = folder / "shebao" / "tls"
    tls.mkdir(parents=True)
    (tls / "fullchain.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (tls / "privkey.pem").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


def rendered(folder: Path, ports: list[int], plain: int, secure: int, upstreams: str = "nginx/upstreams.conf") -> str:
    """shebao.conf with these ports, and its companions in the folder."""
    addresses = iter(ports)
    text = re.sub(r"(?m)^( +server )\S+:\d+", lambda m: f"{m[1]}127.0.0.1:{next(addresses)}", read(upstreams))
    # A process that failed in one test is wanted in the next.
    (folder / "shebao" / "upstreams.conf").write_text(re.sub(r"max_fails=\d+", "max_fails=0", text))
    shutil.copy(DEPLOY / "nginx" / "proxy.conf", folder / "shebao")
    site = re.sub(r"(?m)^ +listen \[::\].*\n", "", read("nginx/shebao.conf"))
    for usual, port in (("80", plain), ("443", secure)):
        site = site.replace(f"listen {usual} ", f"listen 127.0.0.1:{port} ")
    return site.replace(" shebao/", f" {folder}/shebao/")


@contextlib.contextmanager
def needs_nginx() -> Iterator[None]:
    """Without nginx the test is skipped, or fails if REQUIRE_NGINX=1."""
    try:
        yield
    except MissingProgram as e:
        if os.environ.get("REQUIRE_NGINX") == "1":
            pytest.fail(str(e), pytrace=False)
        pytest.skip(str(e))


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[Site]:
    with needs_nginx():
        site = Site(tmp_path_factory.mktemp("nginx"))
    yield site
    site.stop()


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    yield running
    for process in running.processes.values():
        process.breaks = False
        process.requests.clear()


@pytest.mark.parametrize("upstreams", ["nginx/upstreams.conf", "compose/upstreams.conf"])
def test_nginx_takes_all_of_its_files(tmp_path: Path, upstreams: str):
    with needs_nginx():
        nginx = program("nginx")
    make_certificate(tmp_path)
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "shebao.conf").write_text(rendered(tmp_path, [1, 2, 3, 4], 5, 6, upstreams))
    # "resolve" is younger than the nginx of Debian 12.
    aged = re.sub(r" resolve;|(?m:^ +resolver .*;$)", lambda m: ";" if m[0].startswith(" resolve;") else "",
                  (tmp_path / "shebao" / "upstreams.conf").read_text())
    (tmp_path / "shebao" / "upstreams.conf").write_text(aged)
    (tmp_path / "mime.types").write_text("types { text/html html; }")
    scratch = " ".join(f"{part}_temp_path {tmp_path}/{part};" for part in (
        "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    main = read("nginx/nginx.conf").replace("http {", f"http {{ {scratch}").replace("/var/log/nginx", str(tmp_path))
    (tmp_path / "nginx.conf").write_text(main)
    done = subprocess.run([nginx, "-t", "-e", "stderr", "-p", tmp_path, "-c", tmp_path / "nginx.conf",
                           "-g", f"pid {tmp_path}/pid;"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_plain_http_leads_to_https(site: Site):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", site.plain, timeout=10)) as connection:
        connection.request("GET", "/panel?a=1", headers={"Host": HOSTED})
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Location"]) == (301, f"https://{HOSTED}/panel?a=1")


@pytest.mark.parametrize("method, path, kind, part", [
    ("GET", "/", "", "pages"), ("GET", "/panel", "", "pages"), ("GET", "/healthz", "", "pages"),
    ("POST", "/api/v1/sessions", "application/json", "pages"),
    ("POST", "/api/v1/sessions/abc/turns", "application/json", "pages"),
    ("POST", "/api/v1/sessions/abc/turns", "audio/wav", "audio"),
    ("POST", "/api/v1/sessions/abc/turns", "Audio/L16; rate=16000", "audio"),
    ("POST", "/api/v1/device/check", "audio/wav", "pages")])
def test_what_goes_to_which_part(site: Site, method: str, path: str, kind: str, part: str):
    status, headers, answer = site.ask(method, path, b"{}" if method == "POST" else None, Content_Type=kind)
    assert status == 200 and answer["by"].startswith(part)
    scope = {"type": "http", "method": method, "path": path, "headers": [(b"content-type", kind.encode())]}
    assert serves({"pages": PAGES, "audio": AUDIO}[part], scope)
    assert headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize("path", [METRICS, READY, f"{METRICS}?a=1"])
def test_what_is_for_the_machines_around_is_not_served_to_everybody(site: Site, path: str):
    assert site.ask("GET", path)[0] == 404
    assert not any(process.requests for process in site.processes.values())


def test_a_talk_stays_with_its_process_and_talks_are_spread(site: Site):
    with contextlib.closing(site.connection()) as connection:
        by = {talk: {asked(connection, f"/api/v1/sessions/{talk}")["by"] for _ in range(3)} for talk in "abcdefghijkl"}
    assert all(len(found) == 1 for found in by.values())
    assert len(set.union(*by.values())) == 2


def test_a_caregiver_stays_with_one_process(site: Site):
    with contextlib.closing(site.connection()) as connection:
        by = {asked(connection, f"/panel/guide/check/{number}/state")["by"] for number in range(8)}
    assert len(by) == 1


def test_the_service_learns_who_asks_and_how_from_nginx_alone(site: Site):
    headers = site.ask("GET", "/", Host=f"{HOSTED}:8443", X_Forwarded_For="6.6.6.6", X_Forwarded_Proto="http",
                       X_Forwarded_Host="evil.example", Forwarded="for=6.6.6.6")[2]["headers"]
    assert headers["X-Forwarded-For"] == "127.0.0.1" and headers["X-Forwarded-Proto"] == "https"
    assert headers["Host"] == headers["X-Forwarded-Host"] == f"{HOSTED}:8443"
    assert "Forwarded" not in headers


@pytest.mark.parametrize("path", ["/api/v1/sessions/abc/turns", "/api/v1/sessions", "/api/v1/calculators/age"])
def test_a_turn_that_one_process_does_not_answer_is_taken_by_another(site: Site, path: str):
    for broken in ("pages1", "pages2"):
        site.processes[broken].breaks = True
        status, _, answer = site.ask("POST", path, b"{}", Content_Type="application/json")
        assert status == 200 and answer["by"] not in ("audio1", "audio2", broken)
        site.processes[broken].breaks = False


def test_a_recording_that_one_process_does_not_answer_is_taken_by_another(site: Site):
    site.processes["audio1"].breaks = True
    heard = [site.ask("POST", "/api/v1/sessions/abc/turns", b"12", Content_Type="audio/wav")[2]["by"]
             for _ in range(2)]
    assert heard == ["audio2"] * 2 and site.processes["audio1"].requests


def test_a_form_of_the_panel_is_not_sent_twice(site: Site):
    for name in ("pages1", "pages2"):
        site.processes[name].breaks = True
    assert site.ask("POST", "/panel/people", b"name=x")[0] == 502
    assert [path for process in site.processes.values() for path in process.requests] == ["/panel/people"]


@pytest.mark.parametrize("path, kind, size, status", [
    ("/api/v1/sessions/abc/turns", "audio/wav", 3_000_000, 200),
    ("/api/v1/sessions/abc/turns", "audio/wav", 26_000_000, 413),
    ("/panel/guide/root", "application/x-www-form-urlencoded", 900_000, 200),
    ("/panel/guide/root", "application/x-www-form-urlencoded", 1_100_000, 413),
    ("/api/v1/sessions", "application/json", 1_100_000, 413)])
def test_bodies_have_a_limit(site: Site, path: str, kind: str, size: int, status: int):
    with contextlib.closing(site.connection()) as connection:
        connection.putrequest("POST", path)
        connection.putheader("Content-Type", kind)
        connection.putheader("Content-Length", str(size))
        connection.endheaders()
        if status == 200:
            connection.send(bytes(size))
        answer = connection.getresponse()
        assert answer.status == status
        if status == 200:
            assert json.loads(answer.read())["length"] == size


def test_the_microphone_is_let_through(site: Site):
    context = site.connection()._context
    with socket.create_connection(("127.0.0.1", site.secure), 10) as plain, context.wrap_socket(plain) as secure:
        secure.sendall(f"GET /api/v1/listen?session=a HTTP/1.1\r\nHost: {HOSTED}\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\n\r\n".encode())
        said = b""
        while not said.endswith(b"\r\n\r\n"):
            said += secure.recv(1)
        assert said.startswith(b"HTTP/1.1 101 ")
        secure.sendall(b"\x01\x02\x03\x04")
        echo = b"".join(iter(lambda: secure.recv(100), b""))
        assert re.fullmatch(rb"audio[12]\x01\x02\x03\x04", echo)


@pytest.mark.parametrize("path", ["/api/v1/device/events", "/panel/events"])
def test_events_are_passed_on_at_once(site: Site, path: str):
    with contextlib.closing(site.connection()) as connection:
        connection.request("GET", path)
        # The process says no more until the test is over: what comes was not held back.
        assert connection.getresponse().read1(100) == b"data:\n\n"


def test_nothing_that_was_said_is_put_on_a_disk():
    site, proxy = read("nginx/shebao.conf"), read("nginx/proxy.conf")
    largest = re.findall(r"client_max_body_size (\w+);", site)
    buffers = re.findall(r"client_body_buffer_size (\w+);", proxy + site)
    assert set(largest) == set(buffers) and "proxy_max_temp_file_size 0;" in proxy
    assert site.count("access_log off;") == 2 and " crit;" in read("nginx/nginx.conf")


# --- systemd ----------------------------------------------------------------------------------------------

UNITS = sorted((DEPLOY / "systemd").glob("shebao-*.*"))


@pytest.mark.skipif(SYSTEMD_ANALYZE is None, reason="systemd is not installed")
def test_systemd_takes_the_units(tmp_path: Path):
    for unit in UNITS:
        # The programs and the machine's other units are not there.
        text = re.sub(r"(?m)^(Exec\w+=-?)\S+", r"\1/bin/true", unit.read_text(encoding="utf-8"))
        (tmp_path / unit.name.replace("@.", "@8081.")).write_text(text)
    done = subprocess.run([SYSTEMD_ANALYZE, "verify", "--man=no", *map(str, tmp_path.iterdir())],
                          capture_output=True, text=True)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "shebao" in line]
    assert done.returncode == 0 and ours == []


@pytest.mark.skipif(SYSTEMD_ANALYZE is None, reason="systemd is not installed")
@pytest.mark.parametrize("name", ["shebao-guide.service", "shebao-guide@.service", "shebao-backup.service"])
def test_the_service_may_do_little(tmp_path: Path, name: str):
    unit = tmp_path / name.replace("@.", "@8081.")
    shutil.copy(DEPLOY / "systemd" / name, unit)
    done = subprocess.run([SYSTEMD_ANALYZE, "security", "--offline=true", "--threshold=30", str(unit)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_both_units_of_the_service_are_alike():
    def lines(name: str) -> set[str]:
        differing = ("#", "Description", "Exec", "    ", "PartOf", "Environment=", "EnvironmentFile=-", "TimeoutStart", "WantedBy")
        return {line for line in read(f"systemd/{name}").splitlines() if not line.startswith(differing)}
    assert lines("shebao-guide.service") == lines("shebao-guide@.service")


def test_the_browser_may_use_the_microphone_of_the_page_that_it_opens_and_no_other():
    policies = json.loads(read("chromium/policies/shebao.json"))
    page = re.search(r"(http://\S+)/$", read("systemd/shebao-kiosk.service"), re.MULTILINE)[1]
    for name in ("AudioCaptureAllowedUrls", "AutoplayAllowlist", "URLAllowlist"):
        assert policies[name] == [page]
    assert policies["AudioCaptureAllowed"] is False and policies["URLBlocklist"] == ["*"]


@pytest.mark.browser
def test_chromium_knows_each_policy():
    places = [place for place in ("/usr/lib/chromium/chromium", "/usr/lib/chromium-browser/chromium-browser")
              if Path(place).exists()]
    if not places:
        pytest.skip("Chromium is not installed")
    names = json.loads(read("chromium/policies/shebao.json"))
    found = subprocess.run(["grep", "-a", "-o", "-w", "-F", *(f"-e{name}" for name in names), places[0]],
                           capture_output=True, text=True)
    assert set(names) <= set(found.stdout.split())


# --- containers -------------------------------------------------------------------------------------------

@functools.cache
def compose() -> dict:
    return yaml.safe_load(read("compose.yaml"))


@functools.cache
def manifests() -> list[dict]:
    return [manifest for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
            for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


def of_kind(kind: str) -> dict[str, dict]:
    return {m["metadata"]["name"]: m for m in manifests() if m["kind"] == kind}


def pods() -> dict[str, dict]:
    """Name of what makes them to their template."""
    return {name: m["spec"]["template"] for kind in ("Deployment", "Job") for name, m in of_kind(kind).items()}


def containers() -> list[dict]:
    return [c for pod in pods().values() for c in pod["spec"].get("initContainers", []) + pod["spec"]["containers"]]


def walk(value: object) -> Iterator[tuple[str, object]]:
    """Every (key, value) below."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield str(key), inner
        yield from walk(inner)


def test_images_are_those_of_a_release():
    images = [s["image"] for s in compose()["services"].values()] + [c["image"] for c in containers()]
    images += re.findall(r"(?m)^FROM (\S+)", read("Dockerfile"))
    assert images and all(re.fullmatch(r"[\w.-]+:\d[\w.-]*", image) for image in images)


def test_what_the_dockerfile_copies_is_there_and_let_through():
    let_through = [line[1:] for line in read("Dockerfile.dockerignore").splitlines() if line.startswith("!")]
    lines = re.findall(r"(?m)^COPY (?!--from)(.+)$", read("Dockerfile"))
    copied = [name for line in lines for name in line.split()[:-1]]
    assert copied
    for name in copied:
        assert (PROJECT / name).exists()
        assert any(Path(name).match(pattern) for pattern in let_through), name


def test_compose_names_only_what_it_has():
    described = compose()
    for name, service in described["services"].items():
        assert set(service.get("depends_on", {})) <= set(described["services"]), name
        assert set(service.get("secrets", [])) <= set(described["secrets"]), name
        assert set(service["networks"]) <= set(described["networks"]), name
        for volume in service.get("volumes", []):
            source, _, target = volume.partition(":")
            known = source in described["volumes"] or source == "./tls" or (DEPLOY / source).is_file()
            assert known or not target, name


def test_compose_has_the_processes_that_nginx_sends_to():
    port = re.search(r"EXPOSE (\d+)", read("Dockerfile"))[1]
    for part in ("pages", "audio"):
        block = re.search(rf"upstream {part} {{(.*?)}}", read("compose/upstreams.conf"), re.DOTALL)[1]
        addressed = set(re.findall(r"server (\S+) ", block))
        serving = {name for name, service in compose()["services"].items()
                   if service.get("environment", {}).get("SERVES") == part}
        assert addressed == {f"{name}:{port}" for name in serving} and len(serving) == 2


def test_upstreams_differ_in_nothing_but_names():
    def bare(name: str) -> str:
        lines = [line for line in read(name).splitlines() if line and not line.lstrip().startswith(("#", "resolver"))]
        return re.sub(r"server \S+", "server", "\n".join(lines).replace(" resolve;", ";"))
    assert bare("nginx/upstreams.conf") == bare("compose/upstreams.conf")


def test_secrets_of_containers_become_settings(tmp_path: Path):
    (tmp_path / "database_url").write_text("postgresql://guide:a b$c@db/guide\n")
    (tmp_path / "redis_url").write_text("redis://redis:6379/0")
    script = read("entrypoint.sh").replace("/run/secrets", str(tmp_path))
    done = subprocess.run(["/bin/sh", "-c", script, "sh", "env"], capture_output=True, text=True,
                          env={"PATH": os.environ["PATH"]}, check=True)
    told = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert told["DATABASE_URL"] == "postgresql://guide:a b$c@db/guide" and told["REDIS_URL"] == "redis://redis:6379/0"
    assert "METRICS_TOKEN" not in told


def test_shared_folders_are_prepared_once_and_edits_stay(tmp_path: Path):
    folders = {name: tmp_path / "shared" / name for name in ("PROMPTS_DIR", "MODELS_DIR", "LEARNT_DIR")}
    for folder in (*folders.values(), tmp_path / "prompts" / "nodes", tmp_path / "models"):
        folder.mkdir(parents=True)
    for file in ("prompts/facts.yaml", "models/catalog.yaml"):
        (tmp_path / file).write_text("of the release")
    ran = tmp_path / "ran"
    (tmp_path / "python").write_text(f'#!/bin/sh\necho "$@" >> {ran}\ntest "$3" != models\n')
    (tmp_path / "python").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **{name: str(path) for name, path in folders.items()}}
    for _ in range(2):
        subprocess.run(["/bin/sh", str(DEPLOY / "prepare.sh")], cwd=tmp_path, env=environment, check=True,
                       capture_output=True)
        (folders["PROMPTS_DIR"] / "facts.yaml").write_text("edited")
    assert (folders["PROMPTS_DIR"] / "facts.yaml").read_text() == "edited"
    assert (folders["PROMPTS_DIR"] / "nodes").is_dir() and (folders["MODELS_DIR"] / "catalog.yaml").is_file()
    assert ran.read_text().splitlines() == ["-m service models install", "-m service check", "-m service learn"] * 2


# --- Kubernetes -------------------------------------------------------------------------------------------

def test_every_manifest_is_applied_and_in_the_namespace():
    kustomization = yaml.safe_load(read("kubernetes/kustomization.yaml"))
    files = {path.name for path in (DEPLOY / "kubernetes").glob("*.yaml")}
    assert files - set(kustomization["resources"]) == {"kustomization.yaml", "secret.example.yaml"}
    assert set(kustomization["resources"]) <= files
    namespace, = of_kind("Namespace")
    placed = [m for m in manifests() if m["kind"] not in ("Namespace", "Kustomization")]
    assert {m["metadata"]["namespace"] for m in placed} == {namespace}


def test_services_budgets_policies_and_the_autoscaler_find_their_pods():
    labels = [pod["metadata"]["labels"] for pod in pods().values()]

    def found(selector: dict) -> bool:
        return any(selector.items() <= of.items() for of in labels)
    selectors = [s["spec"]["selector"] for s in of_kind("Service").values()]
    selectors += [b["spec"]["selector"]["matchLabels"] for b in of_kind("PodDisruptionBudget").values()]
    selectors += [p["spec"]["podSelector"].get("matchLabels", {}) for p in of_kind("NetworkPolicy").values()]
    selectors += [d["spec"]["selector"]["matchLabels"] for d in of_kind("Deployment").values()]
    assert all(map(found, selectors))
    scaled = of_kind("HorizontalPodAutoscaler")["audio"]["spec"]["scaleTargetRef"]["name"]
    assert scaled == "audio" and "replicas" not in of_kind("Deployment")[scaled]["spec"]


def test_ports_agree():
    port = int(of_kind("ConfigMap")["guide"]["data"]["PORT"])
    for name in ("pages", "audio"):
        container, = pods()[name]["spec"]["containers"]
        assert container["ports"] == [{"name": "http", "containerPort": port}]
        assert [p["targetPort"] for p in of_kind("Service")[name]["spec"]["ports"]] == ["http"]
        assert {container[probe]["httpGet"]["port"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")
                } == {"http"}


def test_the_way_in_leads_to_services_by_what_is_served():
    paths = of_kind("Ingress")["guide"]["spec"]["rules"][0]["http"]["paths"]
    ways = [(p["path"], p["backend"]["service"]["name"]) for p in paths]
    assert ways == [("/api/v1/listen", "audio"), ("/", "pages")]
    for name in ("pages", "audio"):
        container, = pods()[name]["spec"]["containers"]
        assert {"name": "SERVES", "value": name} in container["env"]


def test_pods_refer_to_what_there_is():
    kinds = {"configMapRef": "ConfigMap", "secretKeyRef": "Secret", "persistentVolumeClaim": "PersistentVolumeClaim"}
    for key, value in walk(list(pods().values())):
        if key in kinds:
            known = of_kind(kinds[key])[value.get("claimName") or value["name"]]
            assert "key" not in value or value["key"] in {**known["data"], **known["stringData"]}
    for name, pod in pods().items():
        mounted = {m["name"] for c in pod["spec"]["containers"] for m in c["volumeMounts"]}
        assert mounted == {v["name"] for v in pod["spec"]["volumes"]}, name


def test_pods_may_do_little():
    for pod in pods().values():
        assert pod["spec"]["securityContext"]["runAsNonRoot"] and not pod["spec"]["automountServiceAccountToken"]
    for container in containers():
        allowed = container["securityContext"]
        assert allowed["readOnlyRootFilesystem"] and not allowed["allowPrivilegeEscalation"]
        assert allowed["capabilities"] == {"drop": ["ALL"]} and container["resources"]["limits"]["memory"]


def test_the_example_of_the_secret_has_none():
    secret = of_kind("Secret")["guide"]
    assert secret["data"] == {"secret_key": ""} and "PASSWORD" in secret["stringData"]["database_url"]
    assert "/kubernetes/secret.yaml" in read(".gitignore").split()


# --- what all of them have in common ----------------------------------------------------------------------

def environments() -> dict[str, dict[str, str]]:
    """File to the variables that it sets."""
    found = {"systemd/guide.env": dict(re.findall(r"(?m)^#?([A-Z_]+)=(.*)$", read("systemd/guide.env"))),
             "Dockerfile": dict(re.findall(r"(?m)(?:^ENV|^ {4}) ?([A-Z_]+)=(\S+)", read("Dockerfile"))),
             "kubernetes": dict(of_kind("ConfigMap")["guide"]["data"])}
    for unit in UNITS:
        told = re.findall(r"(?:^Environment=|/env )([A-Z_]+)=(\S+)", unit.read_text(encoding="utf-8"), re.MULTILINE)
        found[unit.name] = {name: value.replace("%i", "8081") for name, value in told}
    for name, service in compose()["services"].items():
        found[f"compose {name}"] = service.get("environment", {})
    for number, container in enumerate(containers()):
        found[f"container {number}"] = {e["name"]: e.get("value", "") for e in container.get("env", [])}
    return found


def test_every_variable_is_a_setting_and_its_value_is_taken():
    for place, variables in environments().items():
        ours = {name: value for name, value in variables.items() if name not in OF_OTHERS}
        assert set(ours) <= set(_READERS), place
        placeholders = ("${", "postgresql://guide:PASSWORD@HOST", "redis://:PASSWORD@HOST")
        read_settings({name: value for name, value in ours.items() if not value.startswith(placeholders)})
    assert {"SERVES", "PORT", "PROXIES"} <= {name for variables in environments().values() for name in variables}


def test_secrets_that_are_files_are_settings():
    names = re.search(r"for name in ([A-Z_ ]+);", read("entrypoint.sh"))[1].split()
    assert set(names) <= set(_READERS)
    assert {name.lower() for name in names} - set(compose()["secrets"]) <= {"redis_url"}


def test_what_is_probed_is_served():
    probed = {value["path"] for key, value in walk(manifests()) if key == "httpGet"}
    for text in [read("Dockerfile"), *(unit.read_text(encoding="utf-8") for unit in UNITS)]:
        probed |= set(re.findall(r"http://(?:127\.0\.0\.1|\${HOST}):(?:\d+|%i)(/\w+)", text))
    assert probed == {HEALTH, READY}


@pytest.mark.parametrize("script", ["entrypoint.sh", "prepare.sh"])
def test_a_shell_takes_the_scripts(script: str):
    subprocess.run(["/bin/sh", "-n", DEPLOY / script], check=True)


@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
def test_the_pages_explain_every_setting_and_name_files_that_exist(page: str):
    text = read(page)
    assert {name for name in _READERS if f"`{name}`" not in text} == set()
    links = re.findall(r"\]\((?!http|#)([^)]+)\)", text)
    named = set(re.findall(r"\bdeploy/([\w@./*-]*[\w*])", text)) - {"kubernetes/secret.yaml"}
    assert links and all((DEPLOY / name).exists() for name in links)
    assert {name for name in named if not list(DEPLOY.glob(name))} == set()


@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
def test_the_commands_of_the_pages_are_commands_of_the_service(page: str):
    from service.__main__ import _parser
    commands = re.findall(r"python -m service ([a-z][^\n`|>;&#]*)", read(page))
    assert commands
    for command in commands:
        _parser().parse_args(shlex.split(command))
