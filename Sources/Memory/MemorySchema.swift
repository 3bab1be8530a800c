import GRDB

/// The tables of one project's memory, with the names that the reference system gave them. Migrations are only ever added.
enum MemorySchema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("conversations") { db in try db.execute(sql: conversations) }
        migrator.registerMigration("a million conversations") { db in try db.execute(sql: indexesForMany) }
        migrator.registerMigration("vectors by model") { db in try db.execute(sql: modelOfVectors) }
        migrator.registerMigration("filters without texts") { db in try db.execute(sql: indexForFilters) }
        migrator.registerMigration("conversations by tag") { db in try db.execute(sql: tags) }
        migrator.registerMigration("words in small pages") { db in try db.execute(sql: smallPages) }
        migrator.registerMigration("indexes of what is there") { db in try db.execute(sql: indexesOfGiven) }
        migrator.registerMigration("words merged by who writes") { db in try db.execute(sql: mergedByWriters) }
        return migrator
    }

    /// ``WordIndex`` merges, and FTS5 only where sixteen segments stand on a level: its steps grow with the number of levels, and each time all
    /// is put into one there is a level more.
    private static let mergedByWriters = """
        INSERT INTO conversations_fts (conversations_fts, rank) VALUES ('automerge', 0);
        INSERT INTO conversations_fts (conversations_fts, rank) VALUES ('usermerge', \(WordIndex.leastSegments));
        """

    /// A conversation without a session or a model is in no index of them: nobody looks for those, and each save writes a page less.
    private static let indexesOfGiven = """
        DROP INDEX conversations_session;
        CREATE INDEX conversations_session ON conversations (session_id) WHERE session_id IS NOT NULL;
        DROP INDEX conversations_model;
        CREATE INDEX conversations_model ON conversations (model_used) WHERE model_used IS NOT NULL;
        """

    /// The index of words is put together some pages at a time, in whose way a writer is: with small ones half as long
    /// (https://www.sqlite.org/fts5.html#the_pgsz_configuration_option). Pages that are there stay as they are until they are put together.
    private static let smallPages = "INSERT INTO conversations_fts (conversations_fts, rank) VALUES ('pgsz', 1024)"

    /// All that a filter asks about, by number: whether some hundreds of conversations pass is told without their texts being read, which
    /// lie between.
    private static let indexForFilters = """
        CREATE INDEX conversations_filter ON conversations (
            id, expires_at, importance_score, timestamp, model_used, session_id);
        """

    /// Which conversations have a tag. Made from the lists that conversations carry, by the database itself, so that the two cannot differ.
    /// A list that is none, such as another program may have written, has no tags.
    private static let tags = """
        CREATE TABLE conversation_tags (tag TEXT NOT NULL, conversation_id INTEGER NOT NULL, PRIMARY KEY (tag, conversation_id))
            WITHOUT ROWID;
        INSERT OR IGNORE INTO conversation_tags
            SELECT value, c.id FROM conversations c, \(each("c.tags")) WHERE c.tags <> '[]';
        CREATE TRIGGER conversation_tags_kept AFTER INSERT ON conversations WHEN NEW.tags <> '[]' BEGIN
            INSERT OR IGNORE INTO conversation_tags SELECT value, NEW.id FROM \(each("NEW.tags"));
        END;
        CREATE TRIGGER conversation_tags_changed AFTER UPDATE OF tags ON conversations WHEN NEW.tags <> OLD.tags BEGIN
            DELETE FROM conversation_tags WHERE conversation_id = OLD.id AND tag IN (SELECT value FROM \(each("OLD.tags")));
            INSERT OR IGNORE INTO conversation_tags SELECT value, NEW.id FROM \(each("NEW.tags"));
        END;
        CREATE TRIGGER conversation_tags_forgotten AFTER DELETE ON conversations WHEN OLD.tags <> '[]' BEGIN
            DELETE FROM conversation_tags WHERE conversation_id = OLD.id AND tag IN (SELECT value FROM \(each("OLD.tags")));
        END;
        """

    /// The entries of a list; none of what is no list.
    private static func each(_ list: String) -> String { "json_each(iif(json_valid(\(list)), \(list), '[]'))" }

    /// The embedding model that made the vectors in the store; those of another say nothing about them.
    private static let modelOfVectors = "ALTER TABLE project ADD COLUMN embedding_model TEXT"

    /// What is asked often and must not look at everything: what waits for the vector store, and the most important.
    private static let indexesForMany = """
        DROP INDEX conversation_embeddings_status;
        CREATE INDEX conversation_embeddings_waiting ON conversation_embeddings (conversation_id) WHERE sync_status <> 'synced';
        DROP INDEX conversations_importance;
        CREATE INDEX conversations_importance ON conversations (importance_score, timestamp);
        """

    /// The index holds no text of its own: what it needs to forget a conversation is made from the conversation again. Which words stand
    /// in it is all that is asked of it (`detail = none`, `columnsize = 0`); ranking looks at the texts of the best. The words come ready
    /// made (``MemoryTerms``): to the tokenizer each is one token, whatever letters are in it.
    ///
    /// What was learnt from a conversation outlives its time, but not its being forgotten: it carries the conversation's number without
    /// being bound to it.
    ///
    /// Numbers of conversations are never given twice (AUTOINCREMENT), so that what is queued for one is never applied to another.
    private static let conversations = """
        CREATE TABLE project (
            id INTEGER PRIMARY KEY CHECK (id = 1), project_id TEXT NOT NULL, owner TEXT NOT NULL, created_at TEXT NOT NULL,
            -- What was said up to this conversation was looked through for facts.
            digested_id INTEGER NOT NULL DEFAULT 0, digest_attempts INTEGER NOT NULL DEFAULT 0);
        CREATE TABLE conversations (
            id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp TEXT NOT NULL, user_query TEXT NOT NULL, ai_response TEXT NOT NULL,
            model_used TEXT, importance_score INTEGER NOT NULL DEFAULT 5 CHECK (importance_score BETWEEN 1 AND 10),
            tags TEXT NOT NULL DEFAULT '[]', session_id TEXT, token_count INTEGER, response_time_ms INTEGER, project_context TEXT,
            created_at TEXT NOT NULL, updated_at TEXT NOT NULL, expires_at TEXT);
        CREATE INDEX conversations_timestamp ON conversations (timestamp);
        CREATE INDEX conversations_importance ON conversations (importance_score);
        CREATE INDEX conversations_expires ON conversations (expires_at);
        CREATE INDEX conversations_session ON conversations (session_id);
        CREATE INDEX conversations_model ON conversations (model_used);
        CREATE VIRTUAL TABLE conversations_fts USING fts5 (
            terms, content = '', detail = none, columnsize = 0, tokenize = "ascii tokenchars '+#'");
        CREATE TABLE conversation_embeddings (
            id INTEGER PRIMARY KEY, conversation_id INTEGER NOT NULL UNIQUE REFERENCES conversations (id) ON DELETE CASCADE,
            qdrant_point_id INTEGER, sync_status TEXT NOT NULL DEFAULT 'pending' CHECK (sync_status IN ('pending', 'synced', 'failed')),
            attempts INTEGER NOT NULL DEFAULT 0, next_attempt_at TEXT, last_error TEXT, synced_at TEXT, created_at TEXT NOT NULL);
        CREATE INDEX conversation_embeddings_status ON conversation_embeddings (sync_status);
        CREATE TABLE vector_deletions (
            point_id INTEGER PRIMARY KEY, attempts INTEGER NOT NULL DEFAULT 0, next_attempt_at TEXT, last_error TEXT,
            created_at TEXT NOT NULL);
        CREATE TABLE conversation_summaries (
            id INTEGER PRIMARY KEY AUTOINCREMENT, date_range TEXT NOT NULL, summary TEXT NOT NULL, conversation_count INTEGER NOT NULL,
            importance_level INTEGER NOT NULL, first_conversation_id INTEGER NOT NULL, last_conversation_id INTEGER NOT NULL,
            created_at TEXT NOT NULL);
        CREATE TABLE important_facts (
            id INTEGER PRIMARY KEY AUTOINCREMENT, fact TEXT NOT NULL, category TEXT NOT NULL, source_conversation_id INTEGER NOT NULL,
            user_marked INTEGER NOT NULL DEFAULT 0, ai_suggested INTEGER NOT NULL DEFAULT 1, created_at TEXT NOT NULL);
        CREATE INDEX important_facts_category ON important_facts (category);
        CREATE INDEX important_facts_source ON important_facts (source_conversation_id);
        CREATE TABLE user_preferences (
            key TEXT PRIMARY KEY, value TEXT NOT NULL, source_conversation_id INTEGER NOT NULL, updated_at TEXT NOT NULL);
        """
}
