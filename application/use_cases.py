"""Everything the application can do, in one typed object that every host is given."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from attrs import field, frozen

from application import (
    administration,
    answer_reading,
    api_keys,
    asking,
    auditing,
    authentication,
    collection_access,
    conversation_export,
    conversations,
    deleting,
    document_contents,
    documents,
    erasure,
    feedback,
    index_changes,
    invitations,
    job_handling,
    joining,
    knowledge,
    local,
    login_sessions,
    maintenance,
    members,
    reconciling,
    reindexing,
    rooms,
    rooms_access,
    rooms_answers,
    rooms_events,
    rooms_feed,
    rooms_publishing,
    rooms_retention,
    rooms_sweep,
    tickets,
    uploads,
    usage,
    workspaces,
)
from application.answer_limits import AnswerLimits
from application.answer_runs import AnswerRuns
from application.authentication import RegistrationMode
from application.generations import Generations
from application.idempotency import Idempotency
from application.list_memory import ListMemory
from application.lost_answers import EndLostAnswers
from application.ports.access import AccessChanges
from application.ports.accounts import Tickets
from application.ports.cache import Cache
from application.ports.files import FileStore
from application.ports.generations import Indexes
from application.ports.languages import LanguageDetector
from application.ports.live import LiveBus
from application.ports.models import AnswerModel
from application.ports.news import DocumentNews
from application.ports.parsing import MediaTypes, Parser
from application.ports.presence import Presence
from application.ports.reranking import Reranker
from application.ports.runs import RunLog
from application.ports.security import PasswordHasher, Seal, Tokens
from application.ports.system import Clock, Ids, Log
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.usage import Price

MIB: Final = 1024 * 1024


@frozen(kw_only=True)
class Ports:
    """One adapter for every port."""

    begin: UnitOfWorkFactory
    cache: Cache
    files: FileStore
    media_types: MediaTypes
    parser: Parser
    languages: LanguageDetector
    indexes: Indexes
    reranker: Reranker | None = None
    model: AnswerModel
    run_log: RunLog
    news: DocumentNews
    live: LiveBus
    presence: Presence
    passwords: PasswordHasher
    tokens: Tokens
    seal: Seal
    changes: AccessChanges
    tickets: Tickets
    clock: Clock
    ids: Ids
    log: Log


@frozen(kw_only=True)
class Policy:
    """What an installation decides for itself."""

    access_ttl: timedelta = timedelta(minutes=15)
    refresh_ttl: timedelta = timedelta(days=30)
    registration: RegistrationMode = RegistrationMode.OPEN
    max_upload_bytes: int = 100 * MIB
    max_answer_tokens: int = 4096
    answer_timeout: timedelta = timedelta(minutes=10)
    answer_limits: AnswerLimits = field(factory=AnswerLimits)
    prices: Mapping[str, Price] = field(factory=dict)  # by model
    room_retention: timedelta | None = None  # None: events are kept for ever


@frozen(kw_only=True)
class UseCases:
    """The front door for HTTP, WebSocket, the command line, workers and other hosts."""

    # who is it
    create_user: authentication.CreateUser
    register: authentication.Register
    log_in: login_sessions.LogIn
    refresh_session: login_sessions.RefreshSession
    log_out: login_sessions.LogOut
    list_sessions: login_sessions.ListSessions
    show_session: login_sessions.ShowSession
    revoke_session: login_sessions.RevokeSession
    forget_sessions: login_sessions.ForgetSessions
    change_password: login_sessions.ChangePassword
    authenticate: authentication.Authenticate
    enter_workspace: authentication.EnterWorkspace
    show_profile: authentication.ShowProfile
    act_locally: local.ActLocally

    issue_ticket: tickets.IssueTicket
    redeem_ticket: tickets.RedeemTicket
    create_api_key: api_keys.CreateApiKey
    list_api_keys: api_keys.ListApiKeys
    show_api_key: api_keys.ShowApiKey
    revoke_api_key: api_keys.RevokeApiKey

    list_users: administration.ListUsers
    set_password: administration.SetPassword
    disable_user: administration.DisableUser
    set_role: administration.SetRole

    # workspaces and collections
    create_workspace: workspaces.CreateWorkspace
    show_workspace: workspaces.ShowWorkspace
    rename_workspace: workspaces.RenameWorkspace
    delete_workspace: joining.DeleteWorkspace
    list_members: members.ListMembers
    change_role: members.ChangeRole
    remove_member: members.RemoveMember
    invite: invitations.Invite
    list_invitations: invitations.ListInvitations
    show_invitation: invitations.ShowInvitation
    withdraw_invitation: invitations.WithdrawInvitation
    accept_invitation: joining.AcceptInvitation
    create_collection: workspaces.CreateCollection
    list_collections: workspaces.ListCollections
    show_collection: workspaces.ShowCollection
    find_collection: workspaces.FindCollection
    change_collection: workspaces.ChangeCollection
    list_reader: collection_access.ListReader
    unlist_reader: collection_access.UnlistReader
    delete_collection: deleting.DeleteCollection

    # documents
    upload_document: uploads.UploadDocument
    revise_document: uploads.ReviseDocument
    show_document: documents.ShowDocument
    list_documents: documents.ListDocuments
    change_document: documents.ChangeDocument
    delete_document: deleting.DeleteDocument
    show_erasure: erasure.ShowErasure
    reindex_document: reindexing.ReindexDocument
    reindex_all: reindexing.ReindexAll
    download_original: document_contents.DownloadOriginal
    list_chunks: document_contents.ListChunks
    show_page: document_contents.ShowPage

    # knowledge
    search: knowledge.SearchPassages

    # chat
    start_conversation: conversations.StartConversation
    show_conversation: conversations.ShowConversation
    change_conversation: conversations.ChangeConversation
    delete_conversation: conversations.DeleteConversation
    export_conversation: conversation_export.ExportConversation
    list_conversations: conversations.ListConversations
    list_messages: conversations.ListMessages
    show_message: conversations.ShowMessage
    post_message: asking.PostMessage
    read_answer: answer_reading.ReadAnswer
    cancel_answer: asking.CancelAnswer
    regenerate_answer: asking.RegenerateAnswer
    rate_answer: feedback.RateAnswer
    ask: asking.Ask

    show_usage: usage.ShowUsage

    # rooms
    create_room: rooms.CreateRoom
    list_rooms: rooms.ListRooms
    show_room: rooms.ShowRoom
    change_room: rooms.ChangeRoom
    delete_room: rooms.DeleteRoom
    list_room_member: rooms.ListRoomMember
    unlist_room_member: rooms.UnlistRoomMember
    publish_event: rooms_events.PublishEvent
    publish_together: rooms_publishing.PublishTogether
    read_events: rooms_events.ReadEvents

    # around every call
    idempotency: Idempotency
    show_audit_log: auditing.ShowAuditLog
    # the live side of rooms
    ask_in_room: rooms_answers.AskInRoom
    cancel_live: rooms_answers.CancelLive
    identify_live: rooms_access.IdentifyLive
    enter_room: rooms_access.EnterRoom
    check_standing: rooms_access.CheckStanding
    room_feeds: rooms_feed.RoomFeeds
    watch_rooms: rooms_sweep.WatchRooms  # for a host that serves connections to run
    presence: Presence

    # work that follows
    handle_job: job_handling.HandleJob
    requeue_unfinished: maintenance.RequeueUnfinished
    schedule_reconciling: maintenance.ScheduleReconciling
    reconcile_all: reconciling.ReconcileAll

    # the index and its successor
    generations: Generations
    want_index: index_changes.WantIndex
    change_index: index_changes.ChangeIndex  # for whoever works to run, again and again
    show_index: index_changes.ShowIndex

    end_lost_answers: EndLostAnswers
    forget_room_events: rooms_retention.ForgetRoomEvents

    lists: ListMemory  # for a host that answers with lists
    document_news: DocumentNews  # for whoever follows a document

    answer_runs: AnswerRuns  # for the host to close before it goes
