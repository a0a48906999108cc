import shutil
from tests.cli.test_bad_roots import *
from tests.cli.test_bad_batches import REFUSED, CLOSED
def test_show(grown, prefect_here, tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "RETRY_DELAY_SECONDS", 0)
    import sys
    def say(name, ran): print(f"--- {name} [{ran.code}]\n{ran.out}{ran.err}", file=sys.stderr)
    for size in (2000, 4000, 20000, 40_000, 60_000, 100_000, 200_000, 400_000, 800_000):
        r=Path(shutil.copytree(grown, tmp_path/f"r{size}"))
        f=batch(r/"b3.jsonl",3)
        with files_up_to(size): ran=ratchet(r,"run",f,"--task","mood")
        say(size,ran)
    r=Path(shutil.copytree(grown, tmp_path/"x")); f=batch(r/"b3.jsonl",3)
    d=r/"mlruns/documents"; d.rename(r/"kept"); d.write_text(""); say("documents", run(r)); d.unlink(); (r/"kept").rename(d)
    for n,(make,_) in REFUSED.items():
        make(r/f"{n}.jsonl"); (r/"params.yaml").write_text(CLOSED); say(n, ratchet(r,"run",r/f"{n}.jsonl"))
    say("q", ratchet(r,"quarantine","list")); say("s", ratchet(r,"status")); say("h",ratchet(r,"history"))
    say("good", run(r)); say("again", run(r)); say("explain", ratchet(r,"version","explain","3"))
    say("list", ratchet(r,"version","list")); say("watch", ratchet(r,"watch")); say("rollback", ratchet(r,"rollback","--reason","x","--to","1"))
    say("intake", ratchet(r,"intake")); say("status", ratchet(r,"status")); say("reconcile", ratchet(r,"reconcile","--rebuild")); say("predict", ratchet(r,"predict","good chair","--proba"))
    say("nowhere", ratchet(tmp_path/"no","status")); say("audit", ratchet(r,"audit","verify")); say("init", ratchet(tmp_path/"new","init"))
    say("help", ratchet(r,"--help"))
    e=views.champion(open_workspace(r).ledger); h=r/"mlruns/bundles"/e.bundle/"head.safetensors"; h.write_bytes(h.read_bytes()[:-1]+b"x"); say("corrupt", run(r,9))
    with locked(r/"mlruns/mlflow.db"): say("locked", run(r,10))
    (r/"mlruns/mlflow.db").unlink(); say("absent", run(r,10)); (r/"mlruns/ratchet.db").write_bytes(b"garbage"*1000); say("garbage", run(r,10))
    (r/"mlruns/ratchet.db").unlink(); say("noledger", run(r,10))
