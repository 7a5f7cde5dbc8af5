"""From a run to a proof: capture, bundle, replay, record, timeline, as the commands do it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recorded import ran, spec

from byteor.acts import bundles, incidents, replays
from byteor.acts.captures import capture_of, recording_of
from byteor.acts.host_key import host_signer, trusted_signers
from byteor.errors import ByteorError
from byteor.governance.dsse import open_envelope
from byteor.incident.bundle.manifest import verify_bundle
from byteor.incident.bundle.members import REQUIRED
from byteor.incident.bundle.reader import Bundle
from byteor.incident.errors import IncidentError
from byteor.incident.replay.audit import Certificate
from byteor.incident.replay.inputs import Range
from byteor.incident.signing import CERTIFICATE, opened


def test_a_run_is_captured_bundled_verified_and_replays_equal(home: Path) -> None:
    run_id = ran(home)
    assert capture_of("pipe").facts.run_id == run_id
    done = bundles.bundle_run(None, home / "evidence.bundle.zip")
    with Bundle(done.path) as bundle:
        verdict = verify_bundle(bundle, trusted_signers())
        assert verdict.ok, verdict.detail
        assert set(bundle.sizes) >= REQUIRED | {"capture.json", "timeline.json"}
        assert bundle.json("runtime.json")["result"]["out"] == 500
    for which in (run_id, "pipe", str(done.path)):
        proof = replays.replay_now(replays.ReplayRequest(which=which))
        assert (proof.replayed.counts.equal, proof.replayed.diverged) == (500, False)
        audit = json.loads(proof.audit_path.read_bytes())
        assert (audit["audit_v"], audit["result"]["verdict"]) == (1, "equal")
        assert audit["input"]["scanned_records"] == 500


def test_a_certificate_is_signed_and_the_same_but_for_time_and_log(home: Path) -> None:
    ran(home)
    found = []
    for _ in range(2):
        path = replays.replay_now(replays.ReplayRequest(which=None)).certificate_path
        certificate, _, who = opened(path.read_bytes(), CERTIFICATE, Certificate, trusted_signers())
        assert who == "this host"
        fields = {name: getattr(certificate, name) for name in certificate.__struct_fields__}
        found.append(
            {k: v for k, v in fields.items() if k not in ("created_unix_ms", "log_size", "log_root")}
        )
    assert found[0] == found[1]
    assert found[0]["inputs"] == 500


def test_a_replay_against_another_spec_says_which_outputs_change(home: Path) -> None:
    ran(home)
    proof = replays.replay_now(replays.ReplayRequest(which=None, spec=spec(home, "crc32c_append")))
    assert proof.replayed.counts.data == 500
    assert proof.replayed.first is not None
    assert proof.replayed.first.stage == "one"
    envelope = open_envelope(proof.certificate_path.read_bytes(), CERTIFICATE, Certificate)[0]
    assert envelope.spec_hash != envelope.replayed_spec_hash
    assert envelope.undeclared_divergence


def test_the_smallest_input_is_found_and_written_as_a_bundle(home: Path) -> None:
    ran(home)
    request = replays.ReplayRequest(which=None, spec=spec(home, "crc32c_append"), range=Range(last=63))
    done, smallest, tests, path = replays.minimize_now(request)
    assert len(smallest) == 1
    assert tests < 40
    assert done.replayed.counts.data == 1
    with recording_of(str(path)) as (recording, bundle):
        assert bundle is not None
        assert verify_bundle(bundle, trusted_signers()).ok
        assert [frame.count for _, frame in recording.read() if frame.kind != 3] == [1, 1]
    with pytest.raises(IncidentError) as caught:
        replays.minimize_now(replays.ReplayRequest(which=None))
    assert caught.value.code == "E_REPLAY_EQUAL"


def test_an_altered_bundle_is_not_replayed(home: Path) -> None:
    ran(home)
    done = bundles.bundle_run(None, home / "folder")
    (done.path / "runtime.json").write_bytes(b"{}")
    with pytest.raises(IncidentError) as caught:
        replays.replay_now(replays.ReplayRequest(which=str(done.path)))
    assert caught.value.code == "E_BUNDLE_DIGEST"


@pytest.mark.parametrize("inside", ["", "proof", "a/b"])
def test_what_proves_a_replay_never_goes_into_what_it_replays(home: Path, inside: str) -> None:
    run_id = ran(home)
    done = bundles.bundle_run(None, home / "folder")
    for which, out in (
        (str(done.path), done.path / inside),
        (run_id, home / "state/capture" / run_id / inside),
    ):
        before = sorted(out.parent.rglob("*"))
        for replaying in (replays.replay_now, replays.minimize_now):
            with pytest.raises(ByteorError) as caught:
                replaying(replays.ReplayRequest(which=which, out=out))
            assert caught.value.code == "E_USAGE"
        assert sorted(out.parent.rglob("*")) == before
    assert not replays.replay_now(
        replays.ReplayRequest(which=str(done.path), out=home / "x")
    ).replayed.diverged


def test_a_bundle_of_another_host_needs_its_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran(home)
    done = bundles.bundle_run(None, home / "b.zip")
    theirs = host_signer().public_key
    (home / "other").mkdir(mode=0o700)
    monkeypatch.setenv("BYTEOR_STATE_DIR", str(home / "other"))
    with pytest.raises(IncidentError) as caught:
        replays.replay_now(replays.ReplayRequest(which=str(done.path)))
    assert caught.value.code == "E_BUNDLE_SIGNATURE"
    proof = replays.replay_now(replays.ReplayRequest(which=str(done.path), keys=(theirs,)))
    assert not proof.replayed.diverged


def test_capture_off_leaves_nothing_and_says_so(home: Path) -> None:
    ran(home, capture="off")
    with pytest.raises(ByteorError) as caught:
        replays.replay_now(replays.ReplayRequest(which=None))
    assert caught.value.code == "E_CAPTURE_MISSING"


def test_digests_of_outputs_replay_as_well(home: Path) -> None:
    ran(home, capture_egress="digest")
    assert replays.replay_now(replays.ReplayRequest(which=None)).replayed.counts.equal == 500


def test_an_incident_goes_from_open_to_closed_and_every_step_stays(home: Path) -> None:
    ran(home)
    incident_id = bundles.bundle_run(None).incident_id
    assert [one.state for one in incidents.incidents().values()] == ["open"]
    replays.replay_now(replays.ReplayRequest(which=incident_id))
    found = incidents.note(None, "the disk was full")
    assert (found.state, found.notes[0].text) == ("investigating", "the disk was full")
    assert {link.kind for link in found.links} == {"bundle", "replay"}
    with pytest.raises(IncidentError) as caught:
        incidents.note(incident_id, "", state="closed")
    assert caught.value.code == "E_INCIDENT_STATE"
    assert incidents.note(incident_id, "no room", state="explained").state == "explained"
    assert incidents.note(incident_id, "bigger disk", state="closed").state == "closed"
    with pytest.raises(IncidentError):
        incidents.note(incident_id, "again", state="explained")


def test_a_note_is_kept_with_all_its_links_or_not_at_all(home: Path) -> None:
    ran(home)
    incident_id = bundles.bundle_run(None).incident_id
    before = incidents.find_incident(incident_id)
    no_text = "\udcff"  # a byte of the command line that is no UTF-8
    for state in (None, "explained"):
        with pytest.raises(ByteorError):
            incidents.note(incident_id, "why", state=state, links=(("run", "r"), ("replay", no_text)))
        assert incidents.find_incident(incident_id) == before
    found = incidents.note(incident_id, "why", links=(("run", "r"), ("replay", "p")))
    assert [one.text for one in found.notes] == ["why"]
    assert [(one.kind, one.value) for one in found.links[-2:]] == [("run", "r"), ("replay", "p")]


def test_the_timeline_is_one_clock_as_text_json_and_a_page_of_its_own(home: Path) -> None:
    from byteor.acts.timelines import incident_timeline

    ran(home)
    bundles.bundle_run(None)
    incidents.note(None, "<script>alert(1)</script>")
    found = incident_timeline(None)
    times = [event.ts_unix_ns for event in found.events]
    assert times == sorted(times)
    whats = {event.what for event in found.events}
    assert {
        "run_started",
        "run_finished",
        "incident_opened",
        "incident_noted",
        "messages in this second",
    } <= whats
    page = found.html()
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert json.loads(found.json())["events"][0]["ts_unix_ns"].isdigit()
    assert len(found.text().splitlines()) == len(found.events)


def test_a_snapshot_names_the_minute_before_it(home: Path) -> None:
    from byteor.acts.snapshot import snapshot

    run_id = ran(home)
    found = json.loads(snapshot(run_id).document)["pre_roll"]
    assert run_id in found["journal"]
    assert found["from"] < found["to"]
    ran(home, capture="off", name="dark")
    assert "pre_roll" not in json.loads(snapshot("dark").document)
