-- The acts that concern one thing, newest first: who looked at a dossier.
CREATE INDEX audit_object ON audit (object, seq);
